/**
 * Reads each encoded frame as it leaves the encoder and passes it on unchanged (W3C WebRTC Encoded Transform).
 * One message a frame to the page: {rtp, leftMs, bytes, key, width, height}.
 */

self.onrtctransform = async (/** @type {any} */ event) => {
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
};
