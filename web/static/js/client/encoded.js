/**
 * Observes the frames that leave a sender's encoder, where the browser supports it (W3C WebRTC Encoded Transform).
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
 * Runs in a worker, as its source text: it must refer to nothing outside. Passes each encoded frame on unchanged, with one
 * message to the page, an `EncodedFrame`.
 *
 * @param {any} event
 */
async function relay(event) {
  const { readable, writable } = event.transformer;
  const reader = readable.getReader();
  const writer = writable.getWriter();
  for (;;) {
    const { value: frame, done } = await reader.read();
    if (done) break;
    const leftMs = performance.timeOrigin + performance.now();
    const { rtpTimestamp, width, height } = frame.getMetadata();
    const message = {
      rtp: rtpTimestamp ?? frame.timestamp,
      leftMs,
      bytes: frame.data.byteLength,
      key: frame.type === "key",
      width,
      height,
    };
    writer.write(frame).catch(() => {});
    self.postMessage(message);
  }
}

/**
 * Must be called before negotiation ends, so that no frame is missed.
 *
 * @param {RTCRtpSender} sender
 * @param {(frame: EncodedFrame) => void} onFrame
 * @param {() => void} onRefused the page's Content Security Policy has no `worker-src blob:`; the frames pass unobserved
 * @returns {(() => void) | null} stops watching; null where the browser has no encoded transforms, or refuses at once
 */
export function watchEncoded(sender, onFrame, onRefused) {
  const Transform = /** @type {any} */ (globalThis).RTCRtpScriptTransform;
  if (!Transform || !("transform" in sender)) return null;
  // A blob, since a page may start no worker from another origin's file.
  const url = URL.createObjectURL(new Blob([`self.onrtctransform = ${relay};`], { type: "text/javascript" }));
  /** @type {Worker} */
  let worker;
  try {
    worker = new Worker(url);
  } catch {
    URL.revokeObjectURL(url);
    return null;
  }
  const stop = () => {
    worker.onmessage = null;
    worker.onerror = null;
    worker.terminate();
    URL.revokeObjectURL(url);
  };
  worker.onmessage = (event) => onFrame(event.data);
  worker.onerror = (event) => {
    event.preventDefault();
    stop();
    // With a transform that no worker serves, no frame would be sent.
    /** @type {any} */ (sender).transform = null;
    onRefused();
  };
  /** @type {any} */ (sender).transform = new Transform(worker, {});
  return stop;
}
