/**
 * A session of the caller's, over as many links as it takes: connected, live, interrupted, paused, closed.
 *
 * connecting -> live -> reconnecting -> live ...; `paused` by the caller or while the page is in the browser's cache;
 * `closed` by the caller, or by a problem that no retry can solve. The track stays the caller's: it is never stopped
 * here. A session keeps its track through reconnections, and its link through changes of the track; another model, or
 * another network, is a new link that takes the old one's place while both send.
 */

import { pageNow } from "./clock.js";
import { className, Overlay } from "./drawing/overlay.js";
import { watchPictures } from "./drawing/pictures.js";
import { workersAllowed } from "./encoded.js";
import { tally } from "./frame-counts.js";
import { askIceServers } from "./ice.js";
import { Link } from "./link.js";
import { Links, retryDelayMs } from "./links.js";
import { watchNetwork } from "./network.js";
import { optionsOf } from "./options.js";
import { Problem } from "./problem.js";
import { sourceOf } from "./source.js";
import { Tallies } from "./tallies.js";

/** A link that lasted this long resets the count of failures. */
const STEADY_MS = 10000;
/** Problems that a retry cannot solve. */
const FINAL = new Set(["token", "refused", "ended", "replaced", "unsupported", "track_ended"]);

/**
 * @typedef {"connecting" | "live" | "reconnecting" | "paused" | "closed"} State
 * @typedef {import("./link.js").Link} Link_
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
    this.retryAtMs = 0;
    /** @type {Overlay | null} */
    this.overlay = null;
    this.tallies = new Tallies(this.options.sloMs, this.options.journal);
    this.links = new Links({
      make: (replaces, events) => this.makeLink(replaces, events),
      onLive: () => {
        this.liveSinceMs = pageNow();
        this.become("live");
        this.settled();
      },
      onLost: (problem) => this.lost(problem),
      onWaiting: (problem) => {
        this.retryAtMs = pageNow();
        this.become("reconnecting", problem);
      },
      onKept: (problem) => this.keptModel(problem),
    });
    this.failures = 0;
    this.liveSinceMs = 0;
    this.reconnects = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} set while a new attempt is scheduled */
    this.retryTimer = undefined;
    /** Incremented by pause and close: work that began under a lower number must not continue. */
    this.run = 0;
    /** Whether the page's being put into the browser's cache has paused the session. */
    this.hidden = false;
    const unwatchNetwork = watchNetwork(() => this.state === "live" && this.links.replace());
    const hide = () => {
      this.hidden = this.active;
      this.pause();
    };
    const show = () => this.hidden && this.resume();
    window.addEventListener("pagehide", hide);
    window.addEventListener("pageshow", show);
    this.unwatchPage = () => {
      unwatchNetwork();
      window.removeEventListener("pagehide", hide);
      window.removeEventListener("pageshow", show);
    };
  }

  /** @returns {Link_ | null} */
  get link() {
    return this.links.current;
  }

  /** @returns {boolean} whether a link is open or being opened */
  get active() {
    return ["connecting", "live", "reconnecting"].includes(this.state);
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
    this.tell("onState", state, problem);
  }

  /**
   * Calls one of the caller's functions; its mistakes are its own.
   *
   * @param {"onDetections" | "onState" | "onError" | "onSettings" | "onStats"} name
   * @param {...any} values
   */
  tell(name, ...values) {
    try {
      /** @type {((...values: any[]) => void) | null} */ (this.options[name])?.(...values);
    } catch (error) {
      reportError(error);
    }
  }

  settled() {
    this.tell("onSettings", this.settings);
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
    this.detach();
    this.source = source;
    this.overlay?.reset();
    this.keepPictures();
    const { width, height } = source.track.getSettings();
    let [lastWidth, lastHeight] = [width, height];
    const unwatch = watchPictures(source, this.options.video ?? probe(), (picture) => {
      this.overlay?.keep(picture, source.mirrored);
      this.links.each((link) => link.captured(picture));
      if (picture.width === lastWidth && picture.height === lastHeight) return;
      [lastWidth, lastHeight] = [picture.width, picture.height];
      this.links.each((link) => link.hints.again());
    });
    const ended = () => this.end(new Problem("track_ended"));
    source.track.addEventListener("ended", ended);
    this.unwatch = () => {
      unwatch();
      source.track.removeEventListener("ended", ended);
    };
  }

  detach() {
    this.unwatch?.();
    this.unwatch = undefined;
    this.source = null;
  }

  /** Keeps as many pictures as the objective and the source's rate require; a camera may be faster than requested. */
  keepPictures() {
    this.overlay?.keepFor(this.tallies.frames.sloMs, Math.max(this.fps, this.source?.track.getSettings().frameRate ?? 0));
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
   * @param {import("./links.js").LinkEvents} events
   * @returns {Promise<Link_ | null>}
   */
  async makeLink(replaces, events) {
    const { options, source, run } = this;
    if (!source) return null;
    const url = new URL(options.url);
    const { sloMs, label, model, minScore } = options;
    if (sloMs !== null) url.searchParams.set("slo_ms", String(sloMs));
    if (label) url.searchParams.set("label", label);
    if (model !== null) url.searchParams.set("model", model);
    if (minScore > 0) url.searchParams.set("min_score", String(minScore));
    if (replaces) url.searchParams.set("replaces", replaces);
    const token = options.token();
    const [iceServers, watch] = await Promise.all([
      options.iceServers ?? askIceServers(options.url.href, token),
      workersAllowed(),
    ]);
    if (run !== this.run || source !== this.source) return null;
    return new Link({
      ...events,
      url: url.href,
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
      onChange: () => this.tell("onStats"),
    });
  }

  /** @param {import("./drawing/overlay.js").Result & {variant: string, captureMs: number | null}} result */
  answered(result) {
    const { classes } = this.options;
    for (const box of result.boxes) tally(this.tallies.classes, className(box, result.classes));
    const boxes = classes ? result.boxes.filter((box) => classes.has(className(box, result.classes))) : result.boxes;
    const nowMs = pageNow();
    if (this.overlay) this.overlay.show({ ...result, boxes }, nowMs);
    else result.done();
    const { rtp, variant, captureMs } = result;
    this.tell("onDetections", {
      rtp,
      variant,
      captureMs,
      latencyMs: captureMs === null ? null : nowMs - captureMs,
      boxes: boxes.map((box) => {
        const [, score, x1, y1, x2, y2] = box;
        return { class: className(box, result.classes), score, x1, y1, x2, y2 };
      }),
    });
  }

  /** @param {Problem} problem the link is lost, and none is there to take its place */
  lost(problem) {
    const { run } = this;
    if (FINAL.has(problem.code)) {
      this.end(problem);
      return;
    }
    if (this.state === "live" && pageNow() - this.liveSinceMs > STEADY_MS) this.failures = 0;
    this.failures += 1;
    const delayMs = problem.retryAfterMs ?? retryDelayMs(this.failures, Math.random());
    this.retryAtMs = pageNow() + delayMs;
    this.become("reconnecting", problem);
    this.retryTimer = setTimeout(() => {
      this.retryTimer = undefined;
      if (run !== this.run) return;
      this.reconnects += 1;
      this.links.connect();
    }, delayMs);
  }

  /** @param {Problem} problem for which the wished model does not serve the session */
  keptModel(problem) {
    const model = this.link?.options.model ?? null;
    if (model === this.options.model) return;
    this.options.model = model;
    this.settled();
    this.tell("onError", problem);
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
    this.options = optionsOf({ ...this.options, ...changes }, Object.keys(changes));
    const { sloMs, fps, minScore, model } = this.options;
    if (sloMs !== null && sloMs !== before.sloMs) {
      this.adoptSlo(sloMs);
      this.links.each((link) => link.setSlo(sloMs));
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
    } else if (this.retryTimer === undefined) await this.links.connect(); // The link was lost meanwhile.
  }

  /**
   * Draws each picture with the boxes that were found in it.
   *
   * @param {HTMLCanvasElement | null} canvas null: draws no more
   * @param {{stage?: HTMLElement, onDrawn?: (drawn: import("./drawing/overlay.js").Drawn) => void}} [more] stage: the
   *   positioned element that the canvas is fitted into
   */
  drawOn(canvas, { stage, onDrawn = () => {} } = {}) {
    this.overlay?.close();
    this.overlay = canvas && new Overlay(canvas, stage ?? null, onDrawn);
    this.keepPictures();
  }

  /** @param {{lastMs?: number}} [window] of latency and legs; without it the newest 4096 frames @returns {any} `Stats` */
  stats({ lastMs = Infinity } = {}) {
    const { link, overlay } = this;
    return {
      ...this.tallies.summary(pageNow() - lastMs),
      session: link?.serverSession ?? null,
      hint: link?.hint ?? null,
      hintsApplied: link?.hintsApplied ?? 0,
      reconnects: this.reconnects,
      replacements: this.links.replacements,
      refusals: this.links.refusals,
      drawn: overlay?.drawn ?? 0,
      undrawn: overlay?.missed ?? 0,
      sender: link?.stats ?? null,
      server: link?.serverStats ?? null,
      clock: link?.clock.best ?? null,
    };
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
    await new Promise((resolve) => {
      const check = () => {
        if (this.active && this.link && this.tallies.frames.pending > 0) setTimeout(check, 50);
        else resolve(undefined);
      };
      check();
    });
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
    this.detach();
    this.overlay?.close();
    this.become("closed", problem);
    if (problem) this.tell("onError", problem);
  }

  release() {
    this.run += 1;
    clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
    this.links.close("stopped");
    this.unwatch?.();
    this.unwatch = undefined;
    this.overlay?.clear();
  }
}

/** @returns {HTMLVideoElement} plays in no page: only its frames' times are read */
function probe() {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  return video;
}

/**
 * Opens a session; the work goes on after the return, and `onState` tells how.
 *
 * @param {any} options `ConnectOptions` of edge-client.d.ts
 * @returns {Session}
 * @throws {TypeError} for an option that cannot be used
 */
export function connect(options) {
  const session = new Session(options);
  try {
    session.begin(options);
  } catch (error) {
    session.unwatchPage();
    throw error;
  }
  return session;
}
