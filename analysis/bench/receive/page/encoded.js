// Notes when each frame leaves the encoder, on the page's clock, and lets it pass.
const left = [];

self.onrtctransform = async ({ transformer }) => {
  const writer = transformer.writable.getWriter();
  const reader = transformer.readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    left.push([value.getMetadata().rtpTimestamp, performance.timeOrigin + performance.now()]);
    await writer.write(value);
  }
};

self.onmessage = ({ ports: [port] }) => port.postMessage(left);
