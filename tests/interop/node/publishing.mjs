// What the WHIP publishers of this folder share: the stream, the requests, the count of outcomes.
//
//     node PROGRAM.mjs URL --stream FILE [--frames N] [--codec vp8|h264|vp9|av1|h265]
//         [--results channel|events] [--packages FOLDER]
//
// FILE holds RTP packets, framed by their length in two bytes (RFC 4571); they are sent at the pace
// of their timestamps. FOLDER is where `npm ci` was run. Ends when each frame has its outcome, and
// writes their counts as JSON to standard output.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const CLOCK_RATE = 90; // of video, in units a millisecond

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    stream: { type: "string" },
    frames: { type: "string", default: "60" },
    codec: { type: "string", default: "vp8" },
    results: { type: "string", default: "channel" },
    packages: { type: "string", default: fileURLToPath(new URL(".", import.meta.url)) },
    timeout: { type: "string", default: "60" }, // in seconds
  },
});

// A package of the folder that --packages names.
export const load = createRequire(join(options.packages, "package.json"));

// Packets grouped by timestamp, in their order: [[Buffer, ...], ...].
function framesOf(bytes) {
  const frames = new Map();
  for (let at = 0; at < bytes.length; ) {
    const end = at + 2 + bytes.readUInt16BE(at);
    const packet = bytes.subarray(at + 2, end);
    const timestamp = packet.readUInt32BE(4);
    frames.set(timestamp, [...(frames.get(timestamp) ?? []), packet]);
    at = end;
  }
  return [...frames.values()];
}

// The messages that came, by the timestamp of their frame.
class Outcomes {
  constructor() {
    this.byFrame = new Map();
    this.twice = 0;
    this.waiting = () => {};
  }

  take(text) {
    const message = JSON.parse(text);
    if (message.type !== "detections" && message.type !== "dropped") return;
    if (this.byFrame.has(message.rtp)) this.twice += 1;
    this.byFrame.set(message.rtp, message.reason ?? "answered");
    this.waiting();
  }

  of(timestamps) {
    return new Promise((resolve) => {
      this.waiting = () => timestamps.every((each) => this.byFrame.has(each)) && resolve();
      this.waiting();
    });
  }

  counts() {
    const counts = {};
    for (const each of this.byFrame.values()) counts[each] = (counts[each] ?? 0) + 1;
    return counts;
  }
}

// Resolves once the server listens; the stream is then read until the session's end.
async function follow(url, outcomes) {
  const response = await fetch(url);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  read(response.body, outcomes).catch(() => {}); // the waiting for outcomes has a limit
}

async function read(body, outcomes) {
  let rest = "";
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data: ")) outcomes.take(line.slice(6));
  }
}

async function publish(open, report) {
  const frames = framesOf(await readFile(options.stream)).slice(0, Number(options.frames));
  const outcomes = new Outcomes();
  const channels = options.results === "channel";
  const connection = await open({
    codec: options.codec,
    channels,
    onResult: (text) => outcomes.take(text),
  });
  const response = await fetch(positionals[0], {
    method: "POST",
    headers: { "Content-Type": "application/sdp" },
    body: connection.offer,
  });
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  const location = new URL(response.headers.get("Location"), positionals[0]);
  await connection.accept(await response.text());
  if (!channels) await follow(`${location}/results`, outcomes);
  const began = performance.now();
  const first = frames[0][0].readUInt32BE(4);
  const timestamps = [];
  for (const frame of frames) {
    const due = began + ((frame[0].readUInt32BE(4) - first) >>> 0) / CLOCK_RATE;
    await after(Math.max(0, due - performance.now()));
    let timestamp = 0; // as it was sent: some add an offset of their own
    for (const packet of frame) timestamp = await connection.send(packet);
    timestamps.push(timestamp);
    report.sent += 1;
    report.packets += frame.length;
  }
  await outcomes.of(timestamps);
  report.outcomes = outcomes.counts();
  report.twice = outcomes.twice;
  await fetch(location, { method: "DELETE" });
  await connection.close();
}

// `open({codec, channels, onResult})` makes a connection: {offer, accept(answer), send(packet),
// close()}; `accept` waits until media can be sent, `send` returns the timestamp that was sent.
export async function run(open) {
  const report = { sent: 0, packets: 0, outcomes: {}, twice: 0, failure: "" };
  const late = after(1000 * Number(options.timeout), null, { ref: false }).then(() => {
    throw new Error(`nothing more happened in ${options.timeout} s`);
  });
  try {
    await Promise.race([publish(open, report), late]);
  } catch (error) {
    report.failure = error.message;
    console.error(error);
  }
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(report.failure ? 1 : 0));
}
