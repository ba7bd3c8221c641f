// Notes when each frame leaves the encoder, on the page's clock, its bytes and longest side; lets it pass.
const left = [];
const edges = [];

self.onrtctransform = async ({ transformer }) => {
  const writer = transformer.writable.getWriter();
  const reader = transformer.readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const metadata = value.getMetadata();
    edges.push(Math.max(metadata.width, metadata.height));
    left.push([
      metadata.rtpTimestamp,
      performance.timeOrigin + performance.now(),
      value.data.byteLength,
    ]);
    await writer.write(value);
  }
};

self.onmessage = ({ ports: [port] }) => port.postMessage({ encoded: left, edges });
