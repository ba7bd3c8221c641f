/**
 * Injected before the page's own scripts: records the timestamp and fingerprint of each picture that the camera
 * delivers (netem/footage/camera_file.py). It reads a clone of the page's track.
 *
 * `window.__observer.pictures`: [timestamp ms, fingerprint, width, height] each, in order.
 */
(() => {
  const FINGERPRINT_ROWS = 32;
  const MIX = 2654435761;
  const pictures = [];
  window.__observer = { pictures, failed: "" };

  const fingerprintOf = (bytes, stride, width) => {
    let sum = 0;
    let place = 0;
    for (let row = 0; row * stride < bytes.length && row < FINGERPRINT_ROWS; row += 1) {
      for (let column = 0; column < width; column += 1) {
        place = (place + MIX) >>> 0;
        sum = (sum + Math.imul(bytes[row * stride + column], place)) >>> 0;
      }
    }
    return sum;
  };

  const watch = async (track) => {
    const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 4 }).readable.getReader();
    for (;;) {
      const { value: frame, done } = await reader.read();
      if (done) return;
      const { timestamp, codedWidth: width, codedHeight: height } = frame;
      const y = (Math.max(0, height - FINGERPRINT_ROWS) >> 1) & ~1;
      const rect = { x: 0, y, width, height: Math.min(FINGERPRINT_ROWS, height - y) };
      const buffer = new Uint8Array(frame.allocationSize({ rect }));
      const [luma] = await frame.copyTo(buffer, { rect });
      frame.close();
      pictures.push([timestamp / 1000, fingerprintOf(buffer.subarray(luma.offset), luma.stride, width), width, height]);
    }
  };

  const devices = navigator.mediaDevices;
  if (!devices) return; // an insecure origin: the page reports it
  const open = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (constraints) => {
    const stream = await open(constraints);
    for (const track of stream.getVideoTracks()) {
      watch(track.clone()).catch((error) => { window.__observer.failed = String(error); });
    }
    return stream;
  };
})();
