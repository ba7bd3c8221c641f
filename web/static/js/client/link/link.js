/**
 * One connection to the server, from offer to end: its messages, its clock, its hints and reports. A lost link is never
 * revived: another one takes its place (links.js).
 */

import { ClockEstimate, Pinger, pageNow } from "../clock.js";
import { HintApplier } from "./hint.js";
import { LinkFrames } from "../frames/link-frames.js";
import { tally } from "../frames/frame-counts.js";
import { Publisher } from "./publisher.js";
import { Samples } from "../frames/quantiles.js";
import { reportMessage, StatsReader } from "./stats.js";
import { STEP_MS, Watchdog } from "./watchdog.js";
import { FOR_NOW, Problem } from "../problem.js";

const REPORT_MS = 500;
const CONNECT_MS = 10000;
/** Without any message for this long the link is lost, whatever the server says over HTTP. */
const SILENCE_MS = 4000;
/** Messages that the server sends because it has received something; it sends others without being able to hear. */
const REPLIES = new Set(["detections", "dropped", "pong"]);

/**
 * @typedef {object} LinkOptions
 * @property {string} url WHIP endpoint with its query
 * @property {string} token
 * @property {RTCIceServer[]} iceServers
 * @property {import("../source.js").Source} source
 * @property {number | null} sloMs null: what the server applies
 * @property {number} fps
 * @property {string} label
 * @property {boolean} [watch] whether a worker can observe the encoded frames
 * @property {string | null} [model] that the URL asks for
 * @property {number} [minScore] boxes below are not answered, on top of the model's own threshold
 * @property {import("../frames/frame-counts.js").FrameCounts} frameCounts
 * @property {import("../frames/journal.js").Journal | null} [journal] for measurements
 * @property {Record<string, number>} sentSizes tallied here
 * @property {Record<string, number>} variants tallied here
 * @property {(sloMs: number) => void} [onSlo] the server has an objective of its own: its default, or its operator's
 * @property {() => void} [onWelcome] the server's classes are known
 * @property {() => void} onOpen
 * @property {() => void} [onAnswer] the first frame is answered
 * @property {() => void} [onSilence] nothing has been heard for so long that the server is asked
 * @property {() => void} [onHeard] it has answered after that
 * @property {() => void} [onTrouble] the server cannot be heard, and may come back
 * @property {() => void} [onRecovered] it has answered again
 * @property {() => void} [onMove] the server asks for another link in this one's place
 * @property {(problem: Problem) => void} onLost
 * @property {(result: import("../drawing/overlay.js").Result & {variant: string, captureMs: number | null}) => void} onResult
 * @property {() => void} onChange the panel's data changed
 */

/** What the next report is made of. */
const recent = () => ({ answers: new Samples(128), back: new Samples(128), late: 0 });

export class Link {
  /** @param {LinkOptions} options */
  constructor(options) {
    this.options = options;
    this.journal = options.journal ?? null;
    this.frames = new LinkFrames({
      counts: options.frameCounts,
      journal: this.journal,
      sentSizes: options.sentSizes,
      hintedFps: () => this.hint?.fps ?? 0,
    });
    this.clock = new ClockEstimate();
    /** @type {string[]} */
    this.classes = [];
    /** @type {string | null} */
    this.serverSession = null;
    /** @type {import("./hint.js").Hint | null} */
    this.hint = null;
    /** @type {import("./stats.js").SenderStats | null} */
    this.stats = null;
    /** @type {Record<string, any> | null} the server's own figures */
    this.serverStats = null;
    this.hintsApplied = 0;
    /** Hellos that no welcome has answered yet. */
    this.unwelcomed = 0;
    this.heardMs = pageNow();
    /** When the newest frame left the encoder; null also where that cannot be seen. @type {number | null} */
    this.sentMs = null;
    this.watchdog = new Watchdog(this.heardMs);
    /** Whether trouble was reported, and no reply has come since. */
    this.troubled = false;
    this.asking = false;
    this.ended = false;
    this.answered = false;
    this.recent = recent();

    this.publisher = new Publisher({
      url: options.url,
      token: options.token,
      iceServers: options.iceServers,
      track: options.source.track,
      stream: options.source.stream,
      fps: options.fps,
      watch: options.watch,
      onEncoded: (frame) => this.encoded(frame),
      onText: (channel, text) => this.heard(channel, text),
      onOpen: () => this.opened(),
      onTrouble: () => this.trouble(),
      onLost: (problem) => this.lose(problem),
    });
    this.pinger = new Pinger((message) => this.publisher.send(message), this.clock);
    this.hints = this.hintsFor(options.source);
    this.reader = new StatsReader(this.publisher.sender, this.publisher.pc);
  }

  /**
   * @param {import("../source.js").Source} source
   * @returns {HintApplier}
   */
  hintsFor(source) {
    return new HintApplier(this.publisher.sender, source, (seq) => {
      this.hintsApplied += 1;
      this.publisher.send({ type: "applied", seq });
    });
  }

  /** @throws {Problem} when signalling fails */
  async open() {
    await this.publisher.open();
    if (this.ended || this.publisher.opened) return;
    this.connectTimer = setTimeout(() => this.lose(new Problem("no_path")), CONNECT_MS);
  }

  opened() {
    clearTimeout(this.connectTimer);
    this.heardMs = pageNow();
    this.hello();
    this.pinger.start();
    this.timer = setInterval(() => this.tick(), REPORT_MS);
    this.watchdog = new Watchdog(this.heardMs);
    this.watchTimer = setInterval(() => this.watch(pageNow()), STEP_MS);
    this.options.onOpen();
  }

  /** @param {number} nowMs */
  watch(nowMs) {
    const { ping, ask, silent } = this.watchdog.step(nowMs, this.clock.best?.rttMs);
    if (ping) this.pinger.ping();
    if (ask && !this.asking) this.ask();
    if (silent) this.trouble();
  }

  /** Asks the server over HTTP, which reaches it where only the path of the media is broken. */
  async ask() {
    this.asking = true;
    this.options.onSilence?.();
    const lives = await this.publisher.alive();
    this.asking = false;
    if (this.ended || !this.watchdog.asks) return;
    if (lives) this.watchdog.proven();
    if (lives !== false) return;
    this.publisher.forget();
    this.lose(new Problem("link_lost", { retryAfterMs: 0 }));
  }

  trouble() {
    this.troubled = true;
    this.options.onTrouble?.();
  }

  /** The server has answered something: it hears this link, and is heard. */
  replied() {
    if (this.watchdog.asks) this.options.onHeard?.();
    this.watchdog.reset();
    if (!this.troubled) return;
    this.troubled = false;
    this.options.onRecovered?.();
  }

  hello() {
    const { sloMs, fps, label, minScore = 0 } = this.options;
    const slo = sloMs === null ? {} : { slo_ms: sloMs };
    const sent = this.publisher.send({ type: "hello", version: 1, ...slo, fps, label, min_score: minScore });
    if (sent) this.unwelcomed += 1;
  }

  /** @param {number} minScore */
  setMinScore(minScore) {
    this.options.minScore = minScore;
    this.hello();
  }

  /** @param {number} fps */
  setRate(fps) {
    this.options.fps = fps;
    this.hello();
  }

  /** @param {number} sloMs */
  setSlo(sloMs) {
    this.options.sloMs = sloMs;
    this.hello();
  }

  /**
   * The objective that the server applies. An unsolicited welcome contains the value that the operator has set.
   *
   * @param {any} sloMs
   */
  adoptSlo(sloMs) {
    this.unwelcomed -= 1;
    // It answers a hello, so the value is the page's own, if the page has one.
    if (this.unwelcomed >= 0 && this.options.sloMs !== null) return;
    this.unwelcomed = Math.max(0, this.unwelcomed);
    if (!Number.isFinite(sloMs)) return;
    this.options.sloMs = sloMs;
    this.options.onSlo?.(sloMs);
  }

  /**
   * Sends another source on the same connection.
   *
   * @param {import("../source.js").Source} source
   */
  async replace(source) {
    this.options.source = source;
    await this.publisher.sender.replaceTrack(source.track);
    this.frames.reset();
    this.hints = this.hintsFor(source);
    if (this.hint) this.hints.apply(this.hint);
  }

  /**
   * A lost connection's session is kept on the server, so that another one can replace it.
   *
   * @param {Problem} problem
   */
  lose(problem) {
    if (this.ended) return;
    this.close("lost", problem.code === "link_lost");
    this.options.onLost(problem);
  }

  /**
   * @param {string} reason for the frames still without an answer
   * @param {boolean} [keep] the session on the server
   */
  close(reason, keep = false) {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.connectTimer);
    clearInterval(this.timer);
    clearInterval(this.watchTimer);
    this.pinger.stop();
    this.frames.close(reason);
    this.publisher.close(keep);
  }

  async tick() {
    const now = pageNow();
    if (now - this.heardMs > SILENCE_MS) {
      this.lose(new Problem("link_lost"));
      return;
    }
    this.frames.expire(now);
    const stats = await this.reader.read().catch(() => null);
    if (this.ended || !stats) return;
    this.stats = stats;
    const { answers, back, late } = this.recent;
    const shown = answers.summary();
    this.publisher.send(reportMessage(stats, { ...shown, late }, back.summary()));
    this.recent = recent();
    this.options.onChange();
  }

  /** @param {import("../frames/encoded.js").EncodedFrame} frame */
  encoded(frame) {
    if (this.ended) return;
    this.sentMs = frame.leftMs;
    this.frames.encoded(frame, this.stats);
  }

  /**
   * @param {"control" | "results"} channel
   * @param {string} text
   */
  heard(channel, text) {
    const now = pageNow();
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    this.heardMs = now;
    if (REPLIES.has(message?.type)) this.replied();
    switch (message?.type) {
      case "detections":
        this.detections(message);
        break;
      case "dropped":
        this.dropped(message);
        break;
      case "pong":
        this.clock.add(message.t0_ms, message.t1_ms, message.t2_ms, now);
        break;
      case "welcome":
        this.serverSession = message.session;
        if (Array.isArray(message.classes)) this.classes = message.classes;
        this.adoptSlo(message.slo_ms);
        this.options.onWelcome?.();
        this.options.onChange();
        break;
      case "hint":
        this.hint = message;
        this.journal?.hinted(message, now);
        this.hints.apply(message);
        this.options.onChange();
        break;
      case "stats":
        this.serverStats = message;
        break;
      case "move":
        this.options.onMove?.();
        break;
      case "bye":
        this.bye(message);
        break;
      case "error":
        console.warn(`${channel} message refused`, message);
        break;
      default: // unknown types are ignored, as the protocol requires
    }
  }

  /** @param {{rtp: number, variant: string, boxes: any[], t: import("../frames/frame-counts.js").ServerTimes}} message */
  detections(message) {
    const { rtp, variant, boxes, t } = message;
    const { frames } = this;
    if (!this.answered) {
      this.answered = true;
      this.options.onAnswer?.();
    }
    const offsetMs = this.clock.best?.offsetMs ?? null;
    if (!this.publisher.watching) frames.guessed(rtp, t, offsetMs);
    if (variant) tally(this.options.variants, variant);
    this.journal?.answered(rtp, message);
    const done = () => {
      const handledMs = pageNow();
      const settled = frames.answered(rtp, { handledMs, t, offsetMs });
      if (!settled) return;
      this.recent.answers.add(settled.latencyMs);
      if (settled.late) this.recent.late += 1;
      if (offsetMs !== null) this.recent.back.add(handledMs - (t.sent - offsetMs));
    };
    const { stampMs, toleranceMs, captureMs } = frames.pictureOf(rtp);
    this.options.onResult({
      rtp, stampMs, toleranceMs, boxes: boxes ?? [], classes: this.classes, done, variant, captureMs,
    });
  }

  /** @param {{rtp: number, reason: string, infeasible?: boolean}} message */
  dropped({ rtp, reason, infeasible }) {
    if (!Number.isFinite(rtp)) return;
    // Without an encoded transform, this is the first message about the frame.
    if (!this.publisher.watching) this.frames.opened(rtp, pageNow(), null);
    this.frames.dropped(rtp, String(reason), infeasible === true);
  }

  /** @param {{code: string, message: string}} message */
  bye({ code, message }) {
    const known = {
      timeout: "link_lost",
      // The last place was taken between the offer and the connection.
      address_full: "full",
    };
    const problem = /** @type {any} */ (known)[code] ?? (code === "replaced" || FOR_NOW.includes(code) ? code : "ended");
    this.publisher.forget();
    this.lose(new Problem(problem, { detail: message ?? "" }));
  }
}
