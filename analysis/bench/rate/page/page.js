// Publishes the camera to one receiver under a cap, obeys its hints, reports what was encoded.
import { HintApplier } from './js/client/link/hint.js';

const now = () => performance.timeOrigin + performance.now();
const PING_EVERY_MS = 50;
const EDGE = 608;

let current = null;

/** Publish; `firstBps` is the cap until a hint changes it. Resolves once connected. */
export async function publish({ receiver, fps, firstBps }) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { frameRate: { exact: fps } } });
  const connection = new RTCPeerConnection({ iceServers: [] });
  const worker = new Worker('encoded.js');
  const { sender } = connection.addTransceiver(stream.getVideoTracks()[0], {
    direction: 'sendonly',
    streams: [stream],
    sendEncodings: [{
      maxBitrate: firstBps,
      maxFramerate: fps,
      scaleResolutionDownTo: { maxWidth: EDGE, maxHeight: EDGE },
    }],
  });
  sender.transform = new RTCRtpScriptTransform(worker, {});
  const parameters = sender.getParameters();
  parameters.degradationPreference = 'maintain-framerate'; // as the publisher page
  await sender.setParameters(parameters);
  const control = connection.createDataChannel('control');
  const clock = { offset_ms: null, rtt_ms: Infinity };
  const camera = { track: stream.getVideoTracks()[0], kind: 'camera', setRate() {} };
  const applied = (seq) => control.send(JSON.stringify({ type: 'applied', seq }));
  const hints = new HintApplier(sender, camera, applied);
  control.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === 'hint') {
      hints.apply(message);
      return;
    }
    const rtt = now() - message.t0_ms - (message.t2_ms - message.t1_ms);
    if (rtt < clock.rtt_ms) {
      clock.rtt_ms = rtt;
      clock.offset_ms = message.t1_ms - message.t0_ms - rtt / 2;
    }
  };
  const opened = new Promise((resolve) => { control.onopen = resolve; });
  await connection.setLocalDescription();
  const response = await fetch(`offer/${receiver}`, {
    method: 'POST',
    body: connection.localDescription.sdp,
  });
  if (!response.ok) throw new Error(await response.text());
  await connection.setRemoteDescription({ type: 'answer', sdp: await response.text() });
  await opened;
  const ping = () => control.send(JSON.stringify({ type: 'ping', t0_ms: now() }));
  const timer = setInterval(ping, PING_EVERY_MS);
  current = { stream, connection, sender, worker, clock, timer };
}

const COUNTED = [
  'qpSum', 'framesEncoded', 'keyFramesEncoded', 'packetsSent', 'retransmittedPacketsSent',
  'nackCount', 'pliCount',
];

/** The sender's counts so far, and `frames`, that its camera took. */
export async function stats() {
  const found = { frames: 0 };
  for (const report of (await current.sender.getStats()).values()) {
    if (report.type === 'outbound-rtp') {
      for (const name of COUNTED) found[name] = report[name] ?? 0;
    } else if (report.type === 'media-source') found.frames = report.frames ?? 0;
  }
  return found;
}

/** Stop; returns {encoded: [[rtp, ms on the page's clock, bytes], ...], edges: [pixels, ...], offset_ms, rtt_ms}. */
export async function finish() {
  const { stream, connection, worker, clock, timer } = current;
  clearInterval(timer);
  const channel = new MessageChannel();
  const noted = await new Promise((resolve) => {
    channel.port1.onmessage = ({ data }) => resolve(data);
    worker.postMessage(null, [channel.port2]);
  });
  connection.close();
  stream.getTracks().forEach((track) => track.stop());
  worker.terminate();
  return { ...noted, ...clock };
}

window.bench = { publish, stats, finish };
