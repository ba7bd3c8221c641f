/**
 * The page's session: its source opened, handed to the client, and released. One state with one setter.
 *
 * idle -> asking -> connecting -> live -> reconnecting -> live ...; `paused` while the page is hidden; `error` if the
 * user has to act. What happens on the way to the server is the client's, /edge-client.js.
 */

import { connect, LEGS, Problem } from "../../edge-client.js";
import { openCamera, openSample } from "./camera.js";
import { describe, SourceProblem } from "./problems.js";
import { pageNow } from "./settings.js";

/**
 * @typedef {"idle" | "asking" | "connecting" | "live" | "reconnecting" | "paused" | "error"} State
 * @typedef {import("../../edge-client.js").Session} Client
 * @typedef {import("../../edge-client.js").Stats} Stats
 */

/** A camera that opened, and gives no picture for so long, gives none. */
const FIRST_PICTURE_MS = 1800;
const CHECK_MS = 100;
/** A connection is sending if a frame left so recently. */
const SENDING_MS = 1500;
const NOTHING = Object.freeze({ n: 0, p50: null, p90: null, p99: null });

export class Session extends EventTarget {
  /**
   * @param {import("./settings.js").Settings} settings
   * @param {{canvas: HTMLCanvasElement, stage: HTMLElement, video: HTMLVideoElement, onDrawn: (drawn: any) => void}} view
   * @param {import("./settings.js").SessionOptions} options
   */
  constructor(settings, view, options) {
    super();
    this.settings = settings;
    this.view = view;
    this.options = options;
    /** @type {State} */
    this.state = "idle";
    /** @type {unknown} */
    this.problem = null;
    /** @type {import("./camera.js").Source | null} */
    this.source = null;
    /** @type {Client | null} of this run, or of the last one */
    this.client = null;
    /** @type {import("./camera.js").Facing} */
    this.facing = "environment";
    /** The id of the camera that was chosen. @type {string | undefined} */
    this.device = undefined;
    /** @type {"camera" | "sample"} */
    this.kind = "camera";
    /** When pictures and answers began to be expected: live, or another source since then; page clock. */
    this.sinceMs = 0;
    /** Incremented by stop and by a new start: work that began under a lower number must not continue. */
    this.run = 0;
  }

  /**
   * The only setter of the state.
   *
   * @param {State} state
   * @param {unknown} [problem]
   */
  become(state, problem = null) {
    if (state === "live" && this.state !== "live") this.sinceMs = pageNow();
    this.state = state;
    this.problem = problem;
    this.dispatchEvent(new Event("change"));
  }

  /** @returns {boolean} whether a camera or link is open or being opened */
  get active() {
    return ["asking", "connecting", "live", "reconnecting"].includes(this.state);
  }

  /** @returns {number} page clock */
  get retryAtMs() {
    return this.client?.retryAtMs ?? 0;
  }

  /**
   * @param {{lastMs?: number}} [window]
   * @returns {Stats}
   */
  stats(window) {
    return this.client?.stats(window) ?? {
      sloMs: this.options.sloMs,
      counts: { captured: 0, in_time: 0, late: 0, infeasible: 0, dropped: {}, pending: 0 },
      latencyMs: NOTHING,
      legsMs: /** @type {any} */ (Object.fromEntries(LEGS.map((leg) => [leg, NOTHING]))),
      classes: {}, sentSizes: {}, variants: {}, session: null, hint: null, hintsApplied: 0, reconnects: 0, replacements: 0,
      refusals: 0, drawn: 0, undrawn: 0, sender: null, server: null, clock: null,
    };
  }

  /** @param {"camera" | "sample"} kind */
  async start(kind) {
    this.release();
    this.client?.close();
    this.client = null;
    this.kind = kind;
    this.run += 1;
    if ("RTCPeerConnection" in globalThis) await this.begin(this.run);
    else this.become("error", new Problem("unsupported"));
  }

  /**
   * Opens the source, then the session.
   *
   * @param {number} run
   */
  async begin(run) {
    this.become("asking");
    let source;
    try {
      source = await this.openSource();
    } catch (error) {
      if (run === this.run) this.stop(error);
      return;
    }
    if (run !== this.run) {
      source.stop();
      return;
    }
    this.attach(source);
    this.become("connecting");
    if (this.client) this.client.resume({ source });
    else this.connect(source);
  }

  /** @param {import("./camera.js").Source} source */
  connect(source) {
    const { settings, options, view } = this;
    const mine = (/** @type {(...values: any[]) => void} */ handle) => (/** @type {any[]} */ ...values) => {
      if (this.client === client) handle(...values);
    };
    /** @type {Client} */
    const client = connect({
      source,
      url: settings.whip,
      token: options.token,
      sloMs: options.sloMs,
      fps: options.fps,
      label: options.label,
      model: options.model,
      minScore: options.minScore,
      iceServers: settings.ask_ice ? undefined : (settings.ice_servers ?? []),
      video: view.video,
      journal: options.journal,
      onState: mine((state, problem) => this.follow(state, problem)),
      onError: mine((problem) => this.told(problem)),
      onSettings: mine((known) => this.adopt(known)),
      onDetections: mine((detections) => this.dispatchEvent(new CustomEvent("detections", { detail: detections }))),
      onStats: () => this.dispatchEvent(new Event("figures")),
    });
    this.client = client;
    client.drawOn(view.canvas, { stage: view.stage, onDrawn: view.onDrawn });
  }

  /**
   * @param {import("../../edge-client.js").State} state of the client
   * @param {Error | null} problem
   */
  follow(state, problem) {
    if (state === "closed") {
      if (this.active) this.stop(problem);
    } else if (state !== "paused" || this.active) this.become(state, problem);
  }

  /** @param {Error} problem one that the client has gone on with: the wished model does not serve the session */
  told(problem) {
    if (!this.active) return;
    this.dispatchEvent(new CustomEvent("notice", { detail: `${describe(problem).title}. The model stays` }));
  }

  /**
   * What the server applies; the user's classes are drawn if its model has one of them.
   *
   * @param {import("../../edge-client.js").Settings} known
   */
  adopt({ sloMs, model, modelClasses }) {
    if (sloMs !== null) this.options.sloMs = sloMs;
    this.options.model = model;
    const { classes } = this.options;
    this.client?.update({ classes: modelClasses.some((name) => classes.has(name)) ? classes : null });
    this.dispatchEvent(new Event("change"));
  }

  /** @returns {Promise<import("./camera.js").Source>} */
  openSource() {
    const { fps } = this.options;
    if (this.kind === "camera") return this.openChosen();
    if (!this.settings.sample) throw new SourceProblem("sample_failed");
    return openSample({ url: this.settings.sample, fps });
  }

  /** @param {import("./camera.js").Source} source */
  attach(source) {
    this.source = source;
    this.sinceMs = pageNow();
    source.track.addEventListener("ended", () => {
      if (this.source !== source) return;
      this.stop(new SourceProblem("camera_failed", { detail: "the camera was taken away" }));
    });
  }

  /** @returns {Promise<import("./camera.js").Source>} the camera that was chosen, or another where that is gone */
  async openChosen() {
    const { facing, device, options: { fps } } = this;
    try {
      return await openCamera({ facing, fps, device });
    } catch (error) {
      if (!device || describe(error).code !== "camera_absent") throw error;
      this.device = undefined;
      return openCamera({ facing, fps });
    }
  }

  /**
   * Switches to a camera of the user's choice.
   *
   * @param {string} device its id
   */
  async choose(device) {
    await this.change({ facing: this.facing, device });
  }

  /** Switches to the other camera. */
  async flip() {
    if (this.kind !== "camera" || !this.source) return;
    const { facingMode, deviceId } = this.source.track.getSettings();
    const facing = (facingMode ?? this.facing) === "environment" ? "user" : "environment";
    await this.change(facingMode ? { facing } : { facing, avoidDevice: deviceId });
  }

  /**
   * Switches to another camera on the same connection, or back to the one before if it does not open or gives no picture.
   *
   * @param {import("./camera.js").CameraChoice} choice
   */
  async change(choice) {
    if (this.kind !== "camera" || !this.source) return;
    const { run } = this;
    const { facingMode, deviceId } = this.source.track.getSettings();
    const before = { facing: /** @type {import("./camera.js").Facing} */ (facingMode ?? this.facing), device: deviceId };
    const sends = pageNow() - (this.client?.latest.sentMs ?? 0) < SENDING_MS;
    try {
      const source = await this.use(choice, run);
      if (source && !(await this.delivers(source, sends))) throw new SourceProblem("camera_silent");
    } catch (error) {
      if (run !== this.run) return;
      this.dispatchEvent(new CustomEvent("notice", { detail: `${describe(error).title}. Switching back` }));
      await this.use(before, run).catch((failure) => run === this.run && this.stop(failure));
    }
  }

  /**
   * Sends a camera in the place of the one before.
   *
   * @param {import("./camera.js").CameraChoice} choice
   * @param {number} run
   * @returns {Promise<import("./camera.js").Source | null>} null: the run has ended meanwhile
   * @throws {SourceProblem}
   */
  async use(choice, run) {
    this.client?.update({ track: null });
    this.release(); // Phones can't open two cameras at once.
    const source = await openCamera({ fps: this.options.fps, ...choice });
    if (run !== this.run) {
      source.stop();
      return null;
    }
    this.facing = choice.facing;
    this.device = choice.device;
    this.attach(source);
    await this.client?.update({ source });
    this.dispatchEvent(new Event("change"));
    return source;
  }

  /**
   * @param {import("./camera.js").Source} source just attached
   * @param {boolean} sends whether the connection was sending before: then the picture has to leave the encoder, too, which
   *   can't use those of every camera
   * @returns {Promise<boolean>} whether it gives a picture in time; true also if it has been replaced or released
   */
  async delivers(source, sends) {
    let waitedMs = 0;
    let lastMs = pageNow();
    const sentAfterMs = lastMs + CHECK_MS; // the encoder may have had some of the camera before
    const delivered = () => {
      const { pictureMs, sentMs } = /** @type {Client} */ (this.client).latest;
      if ((pictureMs ?? 0) < this.sinceMs) return false;
      return !sends || this.state !== "live" || (sentMs ?? 0) > sentAfterMs;
    };
    while (waitedMs < FIRST_PICTURE_MS) {
      await new Promise((resolve) => setTimeout(resolve, CHECK_MS));
      if (this.source !== source || delivered()) return true;
      const nowMs = pageNow();
      waitedMs += Math.min(nowMs - lastMs, 2 * CHECK_MS); // a page that stood still has not looked
      lastMs = nowMs;
    }
    return false;
  }

  /** @param {number} sloMs */
  setSlo(sloMs) {
    this.options.sloMs = sloMs;
    this.client?.update({ sloMs });
    this.dispatchEvent(new Event("change"));
  }

  /**
   * Another model serves the session as soon as it answers.
   *
   * @param {string} model a name of the server's; empty for its default
   */
  setModel(model) {
    this.options.model = model;
    this.client?.update({ model });
  }

  /** @param {number} minScore */
  setMinScore(minScore) {
    this.options.minScore = minScore;
    this.client?.update({ minScore });
  }

  /** The chosen classes have changed. */
  setClasses() {
    if (this.client) this.adopt(this.client.settings);
  }

  /** Releases camera and link while the page is hidden. */
  hide() {
    if (!this.active) return;
    this.run += 1;
    this.become("paused");
    this.client?.pause();
    this.release();
  }

  /** Continues after `hide`. */
  async show() {
    if (this.state !== "paused") return;
    await this.begin(++this.run);
  }

  /** @param {unknown} [problem] the cause, if the user did not stop it */
  stop(problem = null) {
    this.run += 1;
    this.become(problem ? "error" : "idle", problem);
    this.client?.close();
    this.release();
  }

  /**
   * Stops sending, waits until every frame is counted, then stops.
   *
   * @returns {Promise<void>}
   */
  async finish() {
    await this.client?.finish();
    this.stop();
  }

  release() {
    this.source?.stop();
    this.source = null;
  }
}
