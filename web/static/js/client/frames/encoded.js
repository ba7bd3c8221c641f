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

/** A worker that has not started after this long is not waited for. */
const START_MS = 5000;

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
 * @param {string} text
 * @returns {{worker: Worker, stop: () => void}} a blob's, since a page may start no worker from another origin's file
 */
function started(text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const worker = new Worker(url);
  const stop = () => {
    worker.onmessage = null;
    worker.onerror = null;
    worker.terminate();
    URL.revokeObjectURL(url);
  };
  return { worker, stop };
}

/** @type {Promise<boolean> | undefined} */
let allowed;

/**
 * Whether the page's Content Security Policy lets workers run (`worker-src blob:`). Asked before a sender is watched: with
 * a transform whose worker does not run no frame would be sent, and none can be removed.
 *
 * @returns {Promise<boolean>}
 */
export function workersAllowed() {
  allowed ??= new Promise((resolve) => {
    try {
      const { worker, stop } = started("self.postMessage(null)");
      const timer = setTimeout(() => tell(false), START_MS);
      const tell = (/** @type {boolean} */ runs) => {
        clearTimeout(timer);
        stop();
        resolve(runs);
      };
      worker.onmessage = () => tell(true);
      worker.onerror = (event) => {
        event.preventDefault();
        tell(false);
      };
    } catch {
      resolve(false);
    }
  });
  return allowed;
}

/**
 * Must be called in the task that made the sender: Chromium watches no other.
 *
 * @param {RTCRtpSender} sender
 * @param {(frame: EncodedFrame) => void} onFrame
 * @returns {(() => void) | null} stops watching; null where the browser has no encoded transforms
 */
export function watchEncoded(sender, onFrame) {
  const Transform = /** @type {any} */ (globalThis).RTCRtpScriptTransform;
  if (!Transform || !("transform" in sender)) return null;
  const { worker, stop } = started(`self.onrtctransform = ${relay};`);
  worker.onmessage = (event) => onFrame(event.data);
  /** @type {any} */ (sender).transform = new Transform(worker, {});
  return stop;
}
