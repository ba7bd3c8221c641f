/**
 * The frames of one link: encoded ones matched to captured pictures, each counted once. Two links of a session may send
 * the same pictures at a time: one of them counts.
 */

import { CaptureMap } from "./capture-map.js";
import { tally } from "./frame-counts.js";
import { Placement } from "./placement.js";

/** Frames closer together than this share of the hinted interval were left out to keep the hinted rate. */
const PACED_SHARE = 0.9;

/**
 * @typedef {object} LinkFramesOptions
 * @property {import("./frame-counts.js").FrameCounts} counts
 * @property {import("./journal.js").Journal | null} journal
 * @property {Record<string, number>} sentSizes tallied here
 * @property {() => number} hintedFps 0 before the first hint
 */

export class LinkFrames {
  /** @param {LinkFramesOptions} options */
  constructor(options) {
    this.options = options;
    this.map = new CaptureMap();
    /** The page's clock minus a picture's own timestamp. */
    this.captureShiftMs = 0;
    this.counting = true;
    this.placement = new Placement(
      this.map,
      (rtp, stampMs) => options.journal?.placed(rtp, stampMs),
      (stamps, before, after) => this.skipped(stamps, before, after),
    );
  }

  /** Another source: nothing of the one before can be matched. */
  reset() {
    this.map.reset();
    this.placement.reset();
  }

  /** Counts nothing: another link has the frames until `takeOver`. */
  standBy() {
    this.counting = false;
  }

  /**
   * Counts from now on, and the frames of the link before no further.
   *
   * @param {LinkFrames} before
   */
  takeOver(before) {
    this.placement.takeOver(before.placement);
    before.counting = false;
    this.counting = true;
  }

  /** @type {(rtp: number) => number | null} page clock */
  captureOf = (rtp) => {
    const stamp = this.map.stampOf(rtp);
    return stamp === null ? null : stamp + Math.min(this.captureShiftMs, this.map.minEncodeMs);
  };

  /**
   * @param {number} rtp
   * @returns {{stampMs: number | null, toleranceMs: number, captureMs: number | null}} the frame's picture
   */
  pictureOf(rtp) {
    return { stampMs: this.map.stampOf(rtp), toleranceMs: this.map.toleranceMs, captureMs: this.captureOf(rtp) };
  }

  /**
   * The source delivered a picture.
   *
   * @param {import("../drawing/pictures.js").CapturedPicture} picture
   */
  captured(picture) {
    this.map.captured(picture.stampMs, picture.arrivedMs, picture.presented);
    this.captureShiftMs = picture.captureMs - picture.stampMs;
    this.placement.captured(picture.stampMs);
  }

  /**
   * @param {import("./encoded.js").EncodedFrame} frame
   * @param {{width: number | null, height: number | null} | null} stats the sender's, where the frame has no size
   */
  encoded(frame, stats) {
    this.map.encoded(frame.rtp, frame.leftMs);
    if (!this.counting) return;
    this.options.journal?.encoded(frame);
    this.opened(frame.rtp, frame.leftMs, this.captureOf(frame.rtp));
    const { width = stats?.width, height = stats?.height } = frame;
    if (width && height) tally(this.options.sentSizes, `${width}x${height}`);
    this.placement.encoded(frame.rtp);
    this.expire(frame.leftMs);
  }

  /**
   * Without an encoded transform, the server's capture time is the best estimate, and frames are opened by their
   * answers or by the notice of a drop.
   *
   * @param {number} rtp
   * @param {import("./frame-counts.js").ServerTimes} t
   * @param {number | null} offsetMs
   */
  guessed(rtp, t, offsetMs) {
    if (offsetMs === null || !t) return;
    const capturedMs = t.captured - offsetMs;
    this.map.observeCaptureTime(rtp, capturedMs);
    this.opened(rtp, capturedMs, capturedMs);
  }

  /**
   * @param {number} rtp
   * @param {number} leftMs page clock
   * @param {number | null} captureMs page clock; null while the frame's picture is not known
   */
  opened(rtp, leftMs, captureMs) {
    if (this.counting) this.options.counts.encoded(rtp, leftMs, captureMs, this);
  }

  /**
   * @param {number} rtp
   * @param {import("./frame-counts.js").Answer} answer
   * @returns {{latencyMs: number, late: boolean} | null} null if the frame is not open, or its capture is not known yet
   */
  answered(rtp, answer) {
    return this.options.counts.answered(rtp, answer, this.captureOf);
  }

  /**
   * @param {number} rtp
   * @param {string} reason
   * @param {boolean} infeasible
   */
  dropped(rtp, reason, infeasible) {
    this.options.counts.settleDropped(rtp, reason, infeasible);
  }

  /**
   * @param {number[]} stamps of the pictures that the encoder left out
   * @param {number} before the frame sent before them
   * @param {number} after the frame sent after them
   */
  skipped(stamps, before, after) {
    const { counts, journal, hintedFps } = this.options;
    const fps = hintedFps();
    const wantedMs = fps ? (PACED_SHARE * 1000) / fps : 0;
    for (const stamp of stamps) {
      const reason = stamp - before < wantedMs || after - stamp < wantedMs ? "paced" : "encoder";
      counts.skipped(reason, 1);
      journal?.skipped(stamp, stamp + this.captureShiftMs, reason);
    }
  }

  /** @param {number} nowMs gives up frames that will not be answered */
  expire(nowMs) {
    this.options.counts.expire(nowMs, this.captureOf, this);
  }

  /** @param {string} reason for the frames still without an answer */
  close(reason) {
    this.options.counts.close(reason, this);
  }
}
