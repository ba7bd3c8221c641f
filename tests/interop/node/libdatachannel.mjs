// libdatachannel, a WebRTC stack in C++, as a WHIP publisher; its usage is that of publishing.mjs.

import { randomInt } from "node:crypto";

import { load, run } from "./publishing.mjs";

const { PeerConnection, Video } = load("node-datachannel");

const PAYLOAD_TYPE = 96;

run(async ({ codec, channels, onResult }) => {
  const connection = new PeerConnection("publisher", {
    iceServers: [],
    disableAutoNegotiation: true, // else a data channel makes an offer, and a track makes none
  });
  const gathered = new Promise((resolve) => {
    connection.onGatheringStateChange((state) => state === "complete" && resolve());
  });
  const ssrc = randomInt(1, 2 ** 32);
  const video = new Video("video", "SendOnly");
  video[`add${codec.toUpperCase()}Codec`](PAYLOAD_TYPE);
  video.addSSRC(ssrc, "publisher");
  const track = connection.addTrack(video);
  const opened = [new Promise((resolve) => track.onOpen(resolve))];
  if (channels) {
    const results = connection.createDataChannel("results", { unordered: true, maxRetransmits: 0 });
    results.onMessage((message) => onResult(message.toString()));
    opened.push(new Promise((resolve) => results.onOpen(resolve)));
  }
  connection.setLocalDescription("offer");
  await gathered;
  return {
    offer: connection.localDescription().sdp,
    async accept(answer) {
      // With the candidates in the answer, DTLS may begin before the description with the
      // fingerprint is in force, and fail.
      const lines = answer.split("\r\n");
      const candidates = lines.filter((line) => line.startsWith("a=candidate:"));
      const mid = lines.find((line) => line.startsWith("a=mid:")).slice("a=mid:".length);
      const rest = lines.filter((line) => !candidates.includes(line) && line !== "a=end-of-candidates");
      connection.setRemoteDescription(rest.join("\r\n"), "answer");
      for (const each of new Set(candidates)) connection.addRemoteCandidate(each.slice(2), mid);
      await Promise.all(opened);
    },
    async send(bytes) {
      const packet = Buffer.from(bytes);
      packet[1] = (packet[1] & 0x80) | PAYLOAD_TYPE;
      packet.writeUInt32BE(ssrc, 8);
      if (!track.sendMessageBinary(packet)) throw new Error("a packet was not sent");
      return packet.readUInt32BE(4);
    },
    close: async () => connection.close(),
  };
});
