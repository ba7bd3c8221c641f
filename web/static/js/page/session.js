/**
 * The session from the user's point of view: started, live, interrupted, stopped. One state with one setter.
 *
 * idle -> asking -> connecting -> live -> reconnecting -> live ...; `paused` while the page is hidden; `error` if the
 * user has to act. A session keeps its source through reconnections, and its link through changes of the source; another
 * model, or another network, is a new link that takes the old one's place while both send.
 */

import { openCamera, openSample } from "./camera.js";
import { pageNow } from "../client/clock.js";
import { askIceServers } from "../client/ice.js";
import { Journal } from "../client/journal.js";
import { FrameCounts, tally } from "../client/frame-counts.js";
import { Link } from "../client/link.js";
import { Links, retryDelayMs } from "../client/links.js";
import { className } from "./overlay.js";
import { watchPictures } from "./pictures.js";
import { describe, Problem } from "../client/problem.js";

/** A link that lasted this long resets the count of failures. */
const STEADY_MS = 10000;
/** Problems that a retry cannot solve. */
const FINAL = new Set(["token", "refused", "ended", "replaced", "unsupported"]);

/**
 * @typedef {"idle" | "asking" | "connecting" | "live" | "reconnecting" | "paused" | "error"} State
 */

export class Session extends EventTarget {
  /**
   * @param {import("./settings.js").Settings} settings
   * @param {import("./overlay.js").Overlay} overlay
   * @param {HTMLVideoElement} video
   * @param {import("./settings.js").SessionOptions} options
   */
  constructor(settings, overlay, video, options) {
    super();
    this.settings = settings;
    this.overlay = overlay;
    this.video = video;
    this.options = options;
    /** @type {State} */
    this.state = "idle";
    /** @type {Problem | unknown} */
    this.problem = null;
    this.retryAtMs = 0;
    /** @type {import("./camera.js").Source | null} */
    this.source = null;
    this.links = new Links({
      make: (replaces, events) => this.makeLink(replaces, events),
      onLive: () => {
        this.liveSinceMs = pageNow();
        this.become("live");
      },
      onLost: (problem) => this.lost(problem),
      onWaiting: (problem) => {
        this.retryAtMs = pageNow();
        this.become("reconnecting", problem);
      },
      onKept: (problem) => this.keptModel(problem),
    });
    /** @type {import("./camera.js").Facing} */
    this.facing = "environment";
    /** @type {"camera" | "sample"} */
    this.kind = "camera";
    this.failures = 0;
    this.liveSinceMs = 0;
    this.reconnects = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} set while a new attempt is scheduled */
    this.retryTimer = undefined;
    /** Incremented by stop and by a new start: work that began under a lower number must not continue. */
    this.run = 0;
    this.forget();
  }

  /** Resets all counts. */
  forget() {
    /** @type {Journal | null} */
    this.journal = this.options.journal ? new Journal() : null;
    this.frameCounts = new FrameCounts(this.options.sloMs, this.journal);
    /** @type {Record<string, number>} */
    this.classes = {};
    /** @type {Record<string, number>} */
    this.sentSizes = {};
    /** @type {Record<string, number>} */
    this.variants = {};
  }

  /**
   * The only setter of the state.
   *
   * @param {State} state
   * @param {unknown} [problem]
   */
  become(state, problem = null) {
    this.state = state;
    this.problem = problem;
    this.dispatchEvent(new Event("change"));
  }

  /** @returns {Link | null} */
  get link() {
    return this.links.current;
  }

  /** @returns {boolean} whether a camera or link is open or being opened */
  get active() {
    return ["asking", "connecting", "live", "reconnecting"].includes(this.state);
  }

  /** @param {"camera" | "sample"} kind */
  async start(kind) {
    this.release("stopped");
    this.kind = kind;
    const run = ++this.run;
    this.failures = 0;
    this.reconnects = 0;
    this.forget();
    if (!("RTCPeerConnection" in globalThis)) {
      this.become("error", new Problem("unsupported"));
      return;
    }
    await this.begin(run);
  }

  /**
   * Opens the source, then a link.
   *
   * @param {number} run
   */
  async begin(run) {
    this.become("asking");
    try {
      const source = await this.openSource();
      if (run !== this.run) {
        source.stop();
        return;
      }
      this.attach(source);
    } catch (error) {
      if (run !== this.run) return;
      this.release("stopped");
      this.become("error", error);
      return;
    }
    this.become("connecting");
    await this.links.connect();
  }

  /**
   * @param {string} [avoidDevice]
   * @returns {Promise<import("./camera.js").Source>}
   */
  openSource(avoidDevice) {
    const { fps } = this.options;
    if (this.kind === "camera") return openCamera({ facing: this.facing, fps, avoidDevice });
    if (!this.settings.sample) throw new Problem("sample_failed");
    return openSample({ url: this.settings.sample, fps });
  }

  /** @param {import("./camera.js").Source} source */
  attach(source) {
    this.source = source;
    this.overlay.reset();
    this.keepPictures();
    this.unwatch = watchPictures(source, this.video, (picture) => {
      this.overlay.keep(picture, source.mirrored);
      this.links.each((link) => link.captured(picture));
      if (picture.width !== this.width || picture.height !== this.height) {
        this.width = picture.width;
        this.height = picture.height;
        this.links.each((link) => link.hints.again());
      }
    });
    source.track.addEventListener("ended", () => {
      if (this.source !== source) return;
      this.stop(new Problem("camera_failed", { detail: "the camera was taken away" }));
    });
  }

  /** Keeps as many pictures as the objective and the source's rate require; a camera may be faster than requested. */
  keepPictures() {
    const { sloMs, fps } = this.options;
    this.overlay.keepFor(sloMs, Math.max(fps, this.source?.track.getSettings().frameRate ?? 0));
  }

  /**
   * A link that is not open yet; null without a source, which means that the camera is being flipped, and that `flip`
   * opens the link.
   *
   * @param {string | null} replaces
   * @param {import("../client/links.js").LinkEvents} events
   * @returns {Promise<Link | null>}
   */
  async makeLink(replaces, events) {
    const { settings, options, source, run } = this;
    if (!source) return null;
    const query = new URLSearchParams({ slo_ms: String(options.sloMs) });
    if (options.label) query.set("label", options.label);
    if (options.model !== null) query.set("model", options.model);
    if (options.minScore > 0) query.set("min_score", String(options.minScore));
    if (replaces) query.set("replaces", replaces);
    const token = options.token();
    const iceServers = settings.ask_ice ? await askIceServers(settings.whip, token) : (settings.ice_servers ?? []);
    if (run !== this.run || source !== this.source) return null;
    return new Link({
      ...events,
      url: `${settings.whip}?${query}`,
      token,
      iceServers,
      source,
      sloMs: options.sloMs,
      fps: options.fps,
      label: options.label,
      model: options.model,
      minScore: options.minScore,
      frameCounts: this.frameCounts,
      journal: this.journal,
      sentSizes: this.sentSizes,
      variants: this.variants,
      onSlo: (sloMs) => this.adoptSlo(sloMs),
      onResult: (result) => this.showResult(result),
      onChange: () => this.dispatchEvent(new Event("figures")),
    });
  }

  /** @param {import("./overlay.js").Result} result */
  showResult(result) {
    const { classes } = this.options;
    for (const box of result.boxes) tally(this.classes, className(box, result.classes));
    // A model that has none of the classes is shown whole.
    const applies = result.classes.some((name) => classes.has(name));
    const boxes = applies ? result.boxes.filter((box) => classes.has(className(box, result.classes))) : result.boxes;
    this.overlay.show({ ...result, boxes }, pageNow());
  }

  /** @param {Problem} problem the link is lost, and none is there to take its place */
  lost(problem) {
    const { run } = this;
    if (FINAL.has(problem.code)) {
      this.stop(problem);
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

  /** Switches to the other camera on the same connection, or back to the previous one if the other does not open. */
  async flip() {
    if (this.kind !== "camera" || !this.source) return;
    const { run } = this;
    const old = this.source.track.getSettings();
    const wasFacing = old.facingMode ?? this.facing;
    this.facing = wasFacing === "environment" ? "user" : "environment";
    this.releaseSource(); // Phones can't open two cameras at once.
    let source;
    try {
      source = await this.openSource(old.facingMode ? undefined : old.deviceId).catch((error) => {
        if (run !== this.run) throw error;
        this.facing = /** @type {import("./camera.js").Facing} */ (wasFacing);
        this.dispatchEvent(new CustomEvent("notice", { detail: `${describe(error).title}. Switching back` }));
        return openCamera({ facing: this.facing, fps: this.options.fps, device: old.deviceId });
      });
    } catch (error) {
      if (run === this.run) this.stop(error);
      return;
    }
    if (run !== this.run) {
      source.stop();
      return;
    }
    this.attach(source);
    if (this.link) {
      const turned = (/** @type {Link} */ link) => link.replace(source).catch(() => link.lose(new Problem("link_lost")));
      await Promise.all([this.link, this.links.next].map((link) => link && turned(link)));
    } else if (this.retryTimer === undefined) await this.links.connect(); // The link was lost meanwhile.
    this.dispatchEvent(new Event("change"));
  }

  /** @param {number} sloMs */
  setSlo(sloMs) {
    this.adoptSlo(sloMs);
    this.links.each((link) => link.setSlo(sloMs));
  }

  /**
   * Another model serves the session as soon as it answers.
   *
   * @param {string} model a name of the server's; empty for its default
   */
  setModel(model) {
    this.options.model = model;
    this.links.replace();
  }

  /** @param {Problem} problem for which the wished model does not serve the session */
  keptModel(problem) {
    const model = this.link?.options.model ?? null;
    if (model === this.options.model) return;
    this.options.model = model;
    this.dispatchEvent(new CustomEvent("notice", { detail: `${describe(problem).title}. The model stays` }));
    this.dispatchEvent(new Event("change"));
  }

  /** @param {number} minScore */
  setMinScore(minScore) {
    this.options.minScore = minScore;
    this.links.each((link) => link.setMinScore(minScore));
  }

  /** The device is on another network: the old path may be gone, or about to go. */
  networkChanged() {
    if (this.state === "live") this.links.replace();
  }

  /**
   * Adopts the objective that the server already applies.
   *
   * @param {number} sloMs
   */
  adoptSlo(sloMs) {
    this.options.sloMs = sloMs;
    this.frameCounts.sloMs = sloMs;
    this.keepPictures();
    this.dispatchEvent(new Event("change"));
  }

  /** Releases camera and link while the page is hidden. */
  hide() {
    if (!this.active) return;
    this.run += 1;
    this.release("stopped");
    this.become("paused");
  }

  /** Continues after `hide`. */
  async show() {
    if (this.state !== "paused") return;
    await this.begin(++this.run);
  }

  /** @param {unknown} [problem] the cause, if the user did not stop it */
  stop(problem = null) {
    this.run += 1;
    this.release("stopped");
    this.become(problem ? "error" : "idle", problem);
  }

  /**
   * Stops sending, waits until every frame is counted, then stops.
   *
   * @returns {Promise<void>}
   */
  async finish() {
    await this.link?.publisher.sender.replaceTrack(null);
    const settled = () => this.frameCounts.pending === 0 || !this.link;
    await new Promise((resolve) => {
      const check = () => {
        if (!settled()) return;
        this.removeEventListener("figures", check);
        this.removeEventListener("change", check);
        resolve(undefined);
      };
      this.addEventListener("figures", check);
      this.addEventListener("change", check);
      check();
    });
    this.stop();
  }

  /** @param {string} reason for frames still without an answer */
  release(reason) {
    clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
    this.links.close(reason);
    this.releaseSource();
    this.overlay.clear();
  }

  releaseSource() {
    this.unwatch?.();
    this.unwatch = undefined;
    this.source?.stop();
    this.source = null;
  }
}
