// werift, a WebRTC stack in TypeScript, as a WHIP publisher; its usage is that of publishing.mjs.

import { load, run } from "./publishing.mjs";

const { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters, RtpPacket } = load("werift");

const H264 = "profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1";

run(async ({ codec, channels, onResult }) => {
  const video = new RTCRtpCodecParameters({
    mimeType: `video/${codec.toUpperCase()}`,
    clockRate: 90000,
    payloadType: 96,
    rtcpFeedback: [{ type: "nack" }, { type: "nack", parameter: "pli" }],
    parameters: codec === "h264" ? H264 : undefined,
  });
  const connection = new RTCPeerConnection({ codecs: { video: [video] }, iceServers: [] });
  const { sender } = connection.addTransceiver(new MediaStreamTrack({ kind: "video" }), {
    direction: "sendonly",
  });
  const opened = [];
  if (channels) {
    const results = connection.createDataChannel("results", { ordered: false, maxRetransmits: 0 });
    results.onMessage.subscribe((data) => onResult(data.toString()));
    opened.push(results.stateChanged.watch((state) => state === "open"));
  }
  const connected = connection.connectionStateChange.watch((state) => state === "connected");
  await connection.setLocalDescription(await connection.createOffer()); // gathers as well
  return {
    offer: connection.localDescription.sdp,
    async accept(answer) {
      await connection.setRemoteDescription({ type: "answer", sdp: answer });
      await Promise.all([connected, ...opened]);
    },
    async send(bytes) {
      const packet = RtpPacket.deSerialize(bytes);
      await sender.sendRtp(packet); // writes its own numbers into the header
      return packet.header.timestamp;
    },
    close: () => connection.close(),
  };
});
