/**
 * Observes the frames that leave a sender's encoder, where the browser supports it.
 *
 * @typedef {object} EncodedFrame
 * @property {number} rtp raw 32-bit RTP timestamp
 * @property {number} leftMs page clock, at which it left the encoder
 * @property {number} bytes
 * @property {boolean} key
 * @property {number} [width]
 * @property {number} [height]
 */

/**
 * Must be called before negotiation ends, so that no frame is missed.
 *
 * @param {RTCRtpSender} sender
 * @param {(frame: EncodedFrame) => void} onFrame
 * @returns {(() => void) | null} stops watching; null where the browser has no encoded transforms
 */
export function watchEncoded(sender, onFrame) {
  const Transform = /** @type {any} */ (globalThis).RTCRtpScriptTransform;
  if (!Transform || !("transform" in sender)) return null;
  const worker = new Worker(new URL("./encoded-worker.js", import.meta.url), { type: "module" });
  worker.onmessage = (event) => onFrame(event.data);
  /** @type {any} */ (sender).transform = new Transform(worker, {});
  return () => {
    worker.onmessage = null;
    worker.terminate();
  };
}
