/** What the caller gets of an answer. */

import { className } from "./drawing/overlay.js";

/**
 * @param {import("./drawing/overlay.js").Result & {variant: string, captureMs: number | null}} result
 * @param {import("./drawing/geometry.js").Box[]} boxes those of it that are reported
 * @param {number} nowMs page clock
 * @returns {object} `Detections` of edge-client.d.ts
 */
export function detectionsOf({ rtp, variant, captureMs, classes }, boxes, nowMs) {
  return {
    rtp,
    variant,
    captureMs,
    latencyMs: captureMs === null ? null : nowMs - captureMs,
    boxes: boxes.map((box) => {
      const [, score, x1, y1, x2, y2, track] = box;
      const found = { class: className(box, classes), score, x1, y1, x2, y2 };
      return track === undefined ? found : { ...found, track };
    }),
  };
}
