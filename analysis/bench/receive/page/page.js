// Publishes the camera to one of the two receivers and reports when each frame was encoded.
const now = () => performance.timeOrigin + performance.now();
const PING_EVERY_MS = 50;
const MAX_BITRATE = 1_200_000; // as a hint would have it; the same for both receivers

let current = null;

/** Publish to `receiver` at `fps`; resolves once connected. */
export async function publish(receiver, fps) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { frameRate: { exact: fps } } });
  const connection = new RTCPeerConnection({ iceServers: [] });
  const worker = new Worker('encoded.js');
  const sender = connection.addTrack(stream.getVideoTracks()[0], stream);
  sender.transform = new RTCRtpScriptTransform(worker, {});
  const control = connection.createDataChannel('control');
  const clock = { offset_ms: null, rtt_ms: Infinity };
  control.onmessage = ({ data }) => {
    const t3 = now();
    const { t0_ms, t1_ms, t2_ms } = JSON.parse(data);
    const rtt = t3 - t0_ms - (t2_ms - t1_ms);
    if (rtt < clock.rtt_ms) {
      clock.rtt_ms = rtt;
      clock.offset_ms = (t1_ms - t0_ms + t2_ms - t3) / 2;
    }
  };
  const opened = new Promise((resolve) => { control.onopen = resolve; });
  await connection.setLocalDescription();
  const response = await fetch(`offer/${receiver}`, {
    method: 'POST',
    body: connection.localDescription.sdp,
  });
  await connection.setRemoteDescription({ type: 'answer', sdp: await response.text() });
  const parameters = sender.getParameters();
  parameters.encodings[0].maxBitrate = MAX_BITRATE;
  await sender.setParameters(parameters);
  await opened;
  const timer = setInterval(() => control.send(JSON.stringify({ t0_ms: now() })), PING_EVERY_MS);
  current = { stream, connection, worker, clock, timer };
}

/** Stop; returns {encoded: [[rtp, ms on the page's clock], ...], offset_ms, rtt_ms}. */
export async function finish() {
  const { stream, connection, worker, clock, timer } = current;
  clearInterval(timer);
  const channel = new MessageChannel();
  const encoded = await new Promise((resolve) => {
    channel.port1.onmessage = ({ data }) => resolve(data);
    worker.postMessage(null, [channel.port2]);
  });
  connection.close();
  stream.getTracks().forEach((track) => track.stop());
  worker.terminate();
  return { encoded, ...clock };
}

window.bench = { publish, finish };
