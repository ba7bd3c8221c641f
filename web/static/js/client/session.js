/**
 * A session of the caller's, over as many links as it takes: connected, live, interrupted, paused, closed.
 *
 * connecting -> live -> reconnecting -> live ...; `paused` by the caller or while the page is in the browser's cache;
 * `closed` by the caller, or by a problem that no retry can solve. The track stays the caller's: it is never stopped
 * here. A session keeps its track through reconnections, and its link through changes of the track; another model, or
 * another network, is a new link that takes the old one's place while both send.
 */

import { pageNow } from "./clock.js";
import { detectionsOf } from "./detections.js";
import { className } from "./drawing/overlay.js";
import { Preview } from "./drawing/preview.js";
import { offerUrl } from "./endpoint.js";
import { workersAllowed } from "./frames/encoded.js";
import { tally } from "./frames/frame-counts.js";
import { Tallies } from "./frames/tallies.js";
import { askIceServers } from "./link/ice.js";
import { Link } from "./link/link.js";
import { Links } from "./link/links.js";
import { watchNetwork } from "./network.js";
import { optionsOf, tell } from "./options.js";
import { watchPageCache } from "./page-cache.js";
import { Problem } from "./problem.js";
import { Retry } from "./retry.js";
import { statsOf } from "./session-stats.js";
import { sourceOf } from "./source.js";

const FINISH_CHECK_MS = 50;
/** Problems that a retry cannot solve. */
const FINAL = new Set(["token", "refused", "ended", "replaced", "unsupported", "track_ended"]);

/**
 * @typedef {"connecting" | "live" | "reconnecting" | "paused" | "closed"} State
 * @typedef {import("./link/link.js").Link} Link_
 */

export class Session {
  /** @param {any} given `ConnectOptions` of edge-client.d.ts */
  constructor(given) {
    this.options = optionsOf(given);
    /** @type {import("./source.js").Source | null} null while the track is being exchanged, or paused */
    this.source = null;
    /** @type {State} */
    this.state = "connecting";
    /** @type {Problem | null} */
    this.problem = null;
    this.preview = new Preview(this.options.video, {
      onPicture: (picture) => this.links.each((link) => link.frames.captured(picture)),
      onSize: () => this.links.each((link) => link.hints.again()),
      onEnded: () => this.end(new Problem("track_ended")),
    });
    /** When the newest answer came, page clock. @type {number | null} */
    this.answerMs = null;
    /** The objective of the newest offer. @type {number | null} */
    this.askedSloMs = null;
    this.tallies = new Tallies(this.options.sloMs, this.options.journal);
    this.links = new Links({
      make: (replaces, events) => this.makeLink(replaces, events),
      onLive: () => {
        this.retry.live();
        this.become("live");
        this.settled();
      },
      onLost: (problem) => this.lost(problem),
      onWaiting: (problem) => {
        this.retry.atMs = pageNow();
        this.become("reconnecting", problem);
      },
      onKept: (problem) => this.keptModel(problem),
    });
    this.retry = new Retry(() => this.links.connect());
    /** @type {RTCIceServer[] | null} that the server gave last */
    this.iceServers = null;
    /** Incremented by pause and close: work that began under a lower number must not continue. */
    this.run = 0;
    /** Whether the page's being put into the browser's cache has paused the session. */
    this.hidden = false;
    const unwatchNetwork = watchNetwork(() => this.state === "live" && this.links.replace());
    const unwatchCache = watchPageCache(
      () => {
        this.hidden = this.active;
        this.pause();
      },
      () => this.hidden && this.resume(),
    );
    this.unwatchPage = () => {
      unwatchNetwork();
      unwatchCache();
    };
  }

  /** @returns {Link_ | null} */
  get link() {
    return this.links.current;
  }

  /** @returns {number} page clock: when the next attempt begins, while reconnecting */
  get retryAtMs() {
    return this.retry.atMs;
  }

  /** @returns {boolean} whether a link is open or being opened */
  get active() {
    return ["connecting", "live", "reconnecting"].includes(this.state);
  }

  /** @returns {import("./link/hint.js").Hint | null} what the server asks for */
  get hint() {
    return this.link?.hint ?? null;
  }

  /** @returns {{pictureMs: number | null, sentMs: number | null, answerMs: number | null}} page clock; null before the first */
  get latest() {
    return { pictureMs: this.preview.pictureMs, sentMs: this.link?.sentMs ?? null, answerMs: this.answerMs };
  }

  /** @returns {any} `Settings` of edge-client.d.ts */
  get settings() {
    const { sloMs, fps, model, minScore, classes } = this.options;
    return { sloMs, fps, model, minScore, classes: classes && [...classes], modelClasses: this.link?.classes ?? [] };
  }

  /**
   * The only setter of the state.
   *
   * @param {State} state
   * @param {Problem | null} [problem]
   */
  become(state, problem = null) {
    this.state = state;
    this.problem = problem;
    tell(this.options, "onState", state, problem);
  }

  settled() {
    tell(this.options, "onSettings", this.settings);
  }

  /** @param {import("./source.js").SourceOptions} given */
  begin(given) {
    this.attach(sourceOf(given));
    if (!("RTCPeerConnection" in globalThis)) {
      queueMicrotask(() => this.end(new Problem("unsupported")));
      return;
    }
    this.links.connect();
  }

  /** @param {import("./source.js").Source} source */
  attach(source) {
    this.source = source;
    this.preview.watch(source);
    this.keepPictures();
  }

  detach() {
    this.preview.unwatch();
    this.source = null;
  }

  /** Keeps as many pictures as the objective and the source's rate require; a camera may be faster than requested. */
  keepPictures() {
    const { frameRate = 0 } = this.source?.track.getSettings() ?? {};
    this.preview.keepFor(this.tallies.frames.sloMs, Math.max(this.fps, frameRate));
  }

  /** @returns {number} pictures a second that the caller wants, or that the track gives */
  get fps() {
    return this.options.fps ?? this.source?.track.getSettings().frameRate ?? 15;
  }

  /**
   * A link that is not open yet; null without a source, which means that the track is being exchanged, and that
   * `exchange` opens the link.
   *
   * @param {string | null} replaces
   * @param {import("./link/links.js").LinkEvents} events
   * @returns {Promise<Link_ | null>}
   */
  async makeLink(replaces, events) {
    const { options, source, run } = this;
    if (!source) return null;
    const { sloMs, label, model, minScore } = options;
    this.askedSloMs = sloMs;
    const url = offerUrl(options, replaces);
    const token = options.token();
    const [iceServers, watch] = await Promise.all([
      options.iceServers ?? this.askIceServers(token, replaces !== null || this.retry.failures === 1),
      workersAllowed(),
    ]);
    if (run !== this.run || source !== this.source) return null;
    return new Link({
      ...events,
      url,
      token,
      iceServers,
      source,
      sloMs,
      fps: this.fps,
      label,
      watch,
      model,
      minScore,
      frameCounts: this.tallies.frames,
      journal: this.tallies.journal,
      sentSizes: this.tallies.sentSizes,
      variants: this.tallies.variants,
      onSlo: (ms) => this.adoptSlo(ms),
      onWelcome: () => this.settled(),
      onResult: (result) => this.answered(result),
      onChange: () => tell(this.options, "onStats"),
    });
  }

  /**
   * For a link in another's place the known ones serve at once, and those asked for now serve the next one.
   *
   * @param {string} token
   * @param {boolean} atOnce
   * @returns {Promise<RTCIceServer[]>}
   */
  async askIceServers(token, atOnce) {
    const known = this.iceServers;
    const asked = askIceServers(this.options.url.href, token, known).then((servers) => (this.iceServers = servers));
    return (atOnce && known) || asked;
  }

  /** @param {import("./drawing/overlay.js").Result & {variant: string, captureMs: number | null}} result */
  answered(result) {
    const { classes } = this.options;
    for (const box of result.boxes) tally(this.tallies.classes, className(box, result.classes));
    const boxes = classes ? result.boxes.filter((box) => classes.has(className(box, result.classes))) : result.boxes;
    const nowMs = pageNow();
    this.answerMs = nowMs;
    this.preview.show({ ...result, boxes }, nowMs);
    tell(this.options, "onDetections", detectionsOf(result, boxes, nowMs));
  }

  /** @param {Problem} problem the link is lost, and none is there to take its place */
  lost(problem) {
    if (FINAL.has(problem.code)) {
      this.end(problem);
      return;
    }
    const isOld = problem.code === "busy" && this.askedSloMs !== this.options.sloMs;
    this.retry.schedule(isOld ? 0 : problem.retryAfterMs);
    this.become("reconnecting", problem);
  }

  /** @param {Problem} problem for which the wished model does not serve the session */
  keptModel(problem) {
    const model = this.link?.options.model ?? null;
    if (model === this.options.model) return;
    this.options.model = model;
    this.settled();
    tell(this.options, "onError", problem);
  }

  /**
   * Adopts the objective that the server already applies.
   *
   * @param {number} sloMs
   */
  adoptSlo(sloMs) {
    this.options.sloMs = sloMs;
    this.tallies.frames.sloMs = sloMs;
    this.keepPictures();
    this.settled();
  }

  /**
   * Changes what was given to `connect`; resolves when another track is sent.
   *
   * @param {any} changes `Changes` of edge-client.d.ts
   * @returns {Promise<void>}
   */
  async update(changes) {
    const before = { ...this.options };
    this.links.discard();
    this.options = optionsOf({ ...this.options, ...changes }, Object.keys(changes));
    const { sloMs, fps, minScore, model } = this.options;
    if (sloMs !== null && sloMs !== before.sloMs) {
      this.adoptSlo(sloMs);
      this.links.each((link) => link.setSlo(sloMs));
      if (this.problem?.code === "busy") this.retry.now(); // there may be room for this one
    }
    if (minScore !== before.minScore) this.links.each((link) => link.setMinScore(minScore));
    if (fps !== before.fps) this.links.each((link) => link.setRate(this.fps));
    if (model !== before.model) this.links.replace();
    if (["track", "stream", "source"].some((name) => name in changes)) await this.exchange(changes);
  }

  /**
   * Sends another track on the same connection, or none for now.
   *
   * @param {import("./source.js").SourceOptions} given
   */
  async exchange(given) {
    const nothing = !given.track && !given.stream && !given.source;
    const source = nothing ? null : sourceOf(given);
    if (this.state === "closed") return;
    if (!source) {
      this.detach();
      return;
    }
    if (this.state === "paused") {
      this.source = source;
      return;
    }
    this.attach(source);
    if (this.link) {
      const turned = (/** @type {Link_} */ link) => link.replace(source).catch(() => link.lose(new Problem("link_lost")));
      await Promise.all([this.link, this.links.next].map((link) => link && turned(link)));
    } else if (!this.retry.isScheduled) await this.links.connect(); // The link was lost meanwhile.
  }

  /**
   * Draws each picture with the boxes that were found in it.
   *
   * @param {HTMLCanvasElement | null} canvas null: draws no more
   * @param {{stage?: HTMLElement, onDrawn?: (drawn: import("./drawing/overlay.js").Drawn) => void}} [more] stage: the
   *   positioned element that the canvas is fitted into
   */
  drawOn(canvas, more) {
    this.preview.drawOn(canvas, more);
  }

  /** @param {{lastMs?: number}} [window] of latency and legs; without it the newest 4096 frames @returns {any} `Stats` */
  stats({ lastMs = Infinity } = {}) {
    return statsOf(this, pageNow() - lastMs);
  }

  /** @returns {any} with the option `journal`, a line for every frame captured: journal.js; null without */
  journal() {
    return this.tallies.journal?.take() ?? null;
  }

  /** Ends the session on the server, and keeps the figures. */
  pause() {
    if (!this.active) return;
    this.release();
    this.become("paused");
  }

  /**
   * Continues after `pause`.
   *
   * @param {import("./source.js").SourceOptions} [given] another track; without one, the track as before
   */
  resume(given) {
    this.hidden = false;
    if (this.state !== "paused") return;
    const source = given ?? (this.source ? { source: this.source } : null);
    if (!source) throw new TypeError("`resume`: the session has no track: give one");
    this.become("connecting");
    this.begin(source);
  }

  /**
   * Stops sending, waits until every frame is counted, then closes.
   *
   * @returns {Promise<void>}
   */
  async finish() {
    await this.link?.publisher.sender.replaceTrack(null);
    while (this.active && this.link && this.tallies.frames.pending > 0) {
      await new Promise((resolve) => setTimeout(resolve, FINISH_CHECK_MS));
    }
    this.close();
  }

  /** Ends the session. */
  close() {
    if (this.state !== "closed") this.end(null);
  }

  /** @param {Problem | null} problem the cause, if the caller did not close it */
  end(problem) {
    if (this.state === "closed") return;
    this.unwatchPage();
    this.release();
    this.source = null;
    this.preview.close();
    this.become("closed", problem);
    if (problem) tell(this.options, "onError", problem);
  }

  release() {
    this.run += 1;
    this.retry.cancel();
    this.links.close("stopped");
    this.preview.clear();
  }
}
