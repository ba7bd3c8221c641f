/**
 * Watches the frames that leave a sender's encoder, where the browser can.
 *
 * @typedef {object} EncodedFrame
 * @property {number} rtp raw 32-bit RTP timestamp
 * @property {number} leftMs page clock, when it left the encoder
 * @property {number} bytes
 * @property {boolean} key
 * @property {number} [width]
 * @property {number} [height]
 */

/**
 * Must be called before negotiation is done, so that no frame goes unseen.
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
