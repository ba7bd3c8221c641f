import { Overlay } from "/static/js/client/drawing/overlay.js";
import { Session } from "/static/js/client/session.js";
import { equal } from "./check.js";

/** An overlay on its own stage, after pictures at a rate for a given time. */
function overlayOf(sloMs, fps) {
  const stage = document.createElement("div");
  stage.style.cssText = "width: 64px; height: 36px";
  const canvas = document.createElement("canvas");
  stage.append(canvas);
  document.body.append(stage);
  const drawn = [];
  const overlay = new Overlay(canvas, stage, ({ rtp }) => drawn.push(rtp));
  const session = new Session({ url: "/", sloMs: 100, fps: 15 });
  session.preview.overlay = overlay;
  session.source = { track: { getSettings: () => ({ frameRate: fps }) } };
  session.update({ sloMs });
  const image = document.createElement("canvas");
  [image.width, image.height] = [64, 36];
  image.getContext("2d");
  for (let at = 0; at <= sloMs; at += 1000 / fps) {
    overlay.keep({ image, width: 64, height: 36, stampMs: at, captureMs: at, arrivedMs: at }, false);
  }
  stage.remove();
  return { overlay, drawn };
}

export function test_boxes_that_come_just_in_time_are_drawn_at_any_objective() {
  for (const [sloMs, fps] of [[75, 15], [250, 30], [500, 30], [500, 60]]) {
    const { overlay, drawn } = overlayOf(sloMs, fps);
    let done = 0;
    overlay.show({ rtp: 7, stampMs: 0, toleranceMs: 1, boxes: [], classes: [], done: () => { done += 1; } }, sloMs);
    equal([drawn, done, overlay.missed], [[7], 1, 0], `${sloMs} ms at ${fps} fps:`);
  }
}
