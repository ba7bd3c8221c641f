/**
 * The session from the user's point of view: started, live, interrupted, stopped. One state with one setter.
 *
 * idle -> asking -> connecting -> live -> reconnecting -> live ...; `paused` while the page is hidden; `error` if the
 * user has to act. A session keeps its source through reconnections, and its link through changes of the source.
 */

import { openCamera, openSample } from "./camera.js";
import { pageNow } from "../client/clock.js";
import { askIceServers } from "../client/ice.js";
import { Journal } from "../client/journal.js";
import { FrameCounts, tally } from "../client/frame-counts.js";
import { Link } from "../client/link.js";
import { className } from "./overlay.js";
import { watchPictures } from "./pictures.js";
import { describe, Problem } from "../client/problem.js";

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 8000;
/** A link that lasted this long resets the count of failures. */
const STEADY_MS = 10000;
/** Problems that a retry cannot solve. */
const FINAL = new Set(["token", "refused", "ended", "replaced", "unsupported"]);

/**
 * @typedef {"idle" | "asking" | "connecting" | "live" | "reconnecting" | "paused" | "error"} State
 *
 * @typedef {object} Settings from the server, in the page
 * @property {string} version
 * @property {number} slo_ms
 * @property {number[]} slo_choices
 * @property {number} fps
 * @property {string | null} sample
 * @property {RTCIceServer[]} ice_servers the servers without credentials
 * @property {boolean} ask_ice whether the endpoint gives further ones
 * @property {boolean} token_required
 * @property {string} whip
 * @property {string | null} [ca] the URL of the server's own certificate authority
 */

/** The delay before a new attempt: doubling, with some spread so that clients don't all return at once. Pure.
 *
 * @param {number} failures so far, 1 after the first
 * @param {number} spread between 0 and 1
 * @returns {number} ms
 */
export function retryDelayMs(failures, spread) {
  const base = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1));
  return base * (0.75 + 0.5 * spread);
}

export class Session extends EventTarget {
  /**
   * @param {Settings} settings
   * @param {import("./overlay.js").Overlay} overlay
   * @param {HTMLVideoElement} video
   * @param {{sloMs: number, fps: number, label: string, token: () => string, wishes?: Record<string, string | null>, journal?: boolean}} options
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
    /** @type {Link | null} */
    this.link = null;
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
    await this.connect(run);
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
      this.link?.captured(picture);
      if (picture.width !== this.width || picture.height !== this.height) {
        this.width = picture.width;
        this.height = picture.height;
        this.link?.hints.again();
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
   * Opens a link. Without a source, which means that the camera is being flipped, `flip` opens it instead.
   *
   * @param {number} run
   */
  async connect(run) {
    const { settings, options, source } = this;
    if (!source) return;
    const query = new URLSearchParams({ slo_ms: String(options.sloMs) });
    if (options.label) query.set("label", options.label);
    for (const [key, value] of Object.entries(options.wishes ?? {})) if (value) query.set(key, value);
    const token = options.token();
    const iceServers = settings.ask_ice ? await askIceServers(settings.whip, token) : (settings.ice_servers ?? []);
    if (run !== this.run || source !== this.source) return;
    /** @type {import("../client/link.js").LinkOptions} */
    const linkOptions = {
      url: `${settings.whip}?${query}`,
      token,
      iceServers,
      source,
      sloMs: options.sloMs,
      fps: options.fps,
      label: options.label,
      frameCounts: this.frameCounts,
      journal: this.journal,
      sentSizes: this.sentSizes,
      variants: this.variants,
      onSlo: (sloMs) => this.adoptSlo(sloMs),
      onOpen: () => {
        this.liveSinceMs = pageNow();
        this.become("live");
      },
      onLost: (problem) => this.lost(run, problem),
      onResult: (result) => {
        for (const box of result.boxes) tally(this.classes, className(box, result.classes));
        this.overlay.show(result, pageNow());
      },
      onChange: () => this.dispatchEvent(new Event("figures")),
    };
    /** @type {Link | null} */
    let link = null;
    try {
      link = new Link(linkOptions);
      this.link = link;
      await link.open();
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem("refused", { detail: String(error) });
      if (!link) this.lost(run, problem);
      else if (this.link === link) link.lose(problem);
    }
  }

  /**
   * @param {number} run
   * @param {Problem} problem
   */
  lost(run, problem) {
    if (run !== this.run) return;
    this.link = null;
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
      this.connect(run);
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
    const { link } = this;
    if (link) await link.replace(source).catch(() => link.lose(new Problem("link_lost")));
    else if (this.retryTimer === undefined) await this.connect(run); // The link was lost meanwhile.
    this.dispatchEvent(new Event("change"));
  }

  /** @param {number} sloMs */
  setSlo(sloMs) {
    this.adoptSlo(sloMs);
    this.link?.setSlo(sloMs);
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
    const { link } = this;
    this.link = null;
    link?.close(reason);
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
