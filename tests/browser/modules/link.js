import { FrameCounts } from "/static/js/client/frames/frame-counts.js";
import { Link } from "/static/js/client/link/link.js";
import { equal } from "./check.js";

/** A link that is never opened; the test delivers the server's messages. */
function linkOf(events = {}) {
  const canvas = document.createElement("canvas");
  canvas.getContext("2d");
  const stream = canvas.captureStream(0);
  const [track] = stream.getVideoTracks();
  const source = { track, stream, mirrored: false, setRate: () => {} };
  const frameCounts = new FrameCounts(100);
  const link = new Link({
    url: "/whip", token: "", iceServers: [], source, sloMs: 100, fps: 15, label: "", frameCounts, sentSizes: {}, variants: {},
    onOpen: () => {}, onLost: () => {}, onResult: () => {}, onChange: () => {}, ...events,
  });
  const say = (message) => link.heard("results", JSON.stringify(message));
  return { link, frameCounts, say };
}

export function test_a_server_asks_for_another_link() {
  let asked = 0;
  const { link, say } = linkOf({ onMove: () => (asked += 1) });
  say({ type: "move" });
  equal(asked, 1);
  equal(link.ended, false);
  link.close("test");
}

/** @param {() => void} work with a browser that has no encoded transforms */
function withoutTransforms(work) {
  const { RTCRtpScriptTransform } = globalThis;
  delete globalThis.RTCRtpScriptTransform;
  try {
    work();
  } finally {
    globalThis.RTCRtpScriptTransform = RTCRtpScriptTransform;
  }
}

const counts = (dropped, infeasible) => {
  const captured = Object.values(dropped).reduce((sum, n) => sum + n, 0);
  return { captured, in_time: 0, late: 0, infeasible, dropped, pending: 0 };
};

export function test_a_drop_that_the_network_alone_made_is_infeasible() {
  const { link, frameCounts, say } = linkOf();
  for (const rtp of [1, 2, 3]) frameCounts.encoded(rtp, 5, 0);
  say({ type: "dropped", rtp: 1, reason: "late", infeasible: true });
  say({ type: "dropped", rtp: 2, reason: "late", infeasible: false });
  say({ type: "dropped", rtp: 3, reason: "overload" });
  say({ type: "dropped", rtp: 3, reason: "overload", infeasible: true }); // settled already
  say({ type: "dropped", rtp: 4, reason: "late", infeasible: true }); // never sent
  equal(frameCounts.counts(), counts({ late: 2, overload: 1 }, 1));
  link.close("test");
}

export function test_without_transforms_a_drop_opens_the_frame_and_settles_it() {
  withoutTransforms(() => {
    const { link, frameCounts, say } = linkOf();
    equal(link.publisher.watching, false);
    say({ type: "dropped", rtp: 1, reason: "late", infeasible: true });
    say({ type: "dropped", rtp: 2, reason: "network_loss" });
    say({ type: "dropped", reason: "late" }); // of no frame
    equal(frameCounts.counts(), counts({ late: 1, network_loss: 1 }, 1));
    link.close("test");
  });
}
