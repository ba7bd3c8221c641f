/**
 * Finds the captured picture that an RTP timestamp belongs to. Pure: times are arguments.
 *
 * An encoder gives a frame a 90 kHz RTP timestamp that differs from the picture's own timestamp by an unknown
 * constant (RFC 3550, section 5.1: the initial value is random). Two conditions determine it: the pattern
 * of intervals must agree, and no frame leaves the encoder before it was captured. Of all constants under
 * which the patterns agree, the right one is the latest that never violates causality, as long as some frame takes
 * less than one frame interval to encode. Pictures that the page only receives when they are presented arrive after
 * the encoder has them, by up to a repaint: there the right constant is the one nearest to the limit of causality.
 */

const TICKS_PER_MS = 90;
const KEPT_STAMPS = 96;
const KEPT_EVENTS = 48;
const EVENTS_TO_TRUST = 6;
/** So many observations in a row that point to another picture move the constant at once. */
const MAX_JUMPS = 3;
/** The first pictures that a browser presents are late, so more of them are needed to find the shortest delay. */
const PRESENTED_TO_TRUST = 16;
const EVENTS_TO_LOCK = 32;

/** Converts 32-bit RTP timestamps to numbers that never wrap. */
export class RtpUnwrapper {
  constructor() {
    /** @type {number | null} */
    this.last = null;
  }

  /**
   * @param {number} rtp raw, 0 to 2^32 - 1
   * @returns {number} ticks, within 2^31 of the newest one
   */
  unwrap(rtp) {
    if (this.last === null) {
      this.last = rtp;
      return rtp;
    }
    const ticks = this.last + ((rtp - this.last) | 0);
    if (ticks > this.last) this.last = ticks;
    return ticks;
  }
}

/** The page may receive a picture later than the encoder by this much, ms. */
const DELIVERED_SLACK_MS = 4;
/** The same for presented pictures, as a share of the frame interval. */
const PRESENTED_SLACK = 0.45;

/** Maps RTP timestamps to the source's own picture timestamps ("stamps", ms on any steady clock). */
export class CaptureMap {
  constructor() {
    this.unwrapper = new RtpUnwrapper();
    /** @type {number[]} */
    this.stamps = [];
    /** @type {{media: number, left: number}[]} */
    this.events = [];
    this.encodedCount = 0;
    this.minDelay = Infinity;
    this.bound = Infinity;
    this.jumps = 0;
    this.reset();
  }

  /** Forgets the constant, for another source on the same sender; unwrapping continues. */
  reset() {
    this.stamps = [];
    this.events = [];
    this.encodedCount = 0;
    this.minDelay = Infinity;
    this.presented = false;
    this.bound = Infinity;
    /** @type {number | null} */
    this.shift = null;
    this.jumps = 0;
    this.locked = false;
  }

  /**
   * The source delivered a picture.
   *
   * @param {number} stampMs
   * @param {number} arrivedMs page clock
   * @param {boolean} [presented] received when it was presented, not when it was delivered
   */
  captured(stampMs, arrivedMs, presented = false) {
    this.presented = presented;
    if (stampMs <= this.stamps[this.stamps.length - 1]) this.stamps = []; // the source restarted
    this.stamps.push(stampMs);
    if (this.stamps.length > KEPT_STAMPS) this.stamps.shift();
    this.minDelay = Math.min(this.minDelay, arrivedMs - stampMs);
  }

  /**
   * A frame left the encoder.
   *
   * @param {number} rtp raw 32-bit timestamp
   * @param {number} leftMs page clock
   */
  encoded(rtp, leftMs) {
    const media = this.unwrapper.unwrap(rtp) / TICKS_PER_MS;
    this.events.push({ media, left: leftMs });
    if (this.events.length > KEPT_EVENTS) this.events.shift();
    this.bound = Math.min(this.bound, leftMs - media);
    this.encodedCount += 1;
    if (!this.locked) this.fit();
    else if (this.encodedCount % 8 === 0) this.follow();
  }

  /**
   * Without an encoded transform: a frame is placed by the server's capture time, mapped to the page's clock.
   *
   * @param {number} rtp
   * @param {number} capturedMs page clock
   */
  observeCaptureTime(rtp, capturedMs) {
    const media = this.unwrapper.unwrap(rtp) / TICKS_PER_MS;
    if (this.minDelay === Infinity) return;
    const shift = capturedMs - this.minDelay - media;
    // A better clock exchange shifts all later capture times: the constant jumps with them instead of averaging.
    const jumped = this.shift !== null && Math.abs(shift - this.shift) > this.intervalMs / 2;
    this.jumps = jumped ? this.jumps + 1 : 0;
    if (this.shift === null || this.jumps >= MAX_JUMPS) this.shift = shift;
    else this.shift += (shift - this.shift) / 16;
  }

  /** @returns {number} the usual time between pictures, ms; 0 while unknown */
  get intervalMs() {
    if (this.stamps.length < 3) return 0;
    const gaps = this.stamps.slice(1).map((v, i) => v - this.stamps[i]);
    gaps.sort((a, b) => a - b);
    return gaps[gaps.length >> 1];
  }

  /** @returns {number} the largest distance of a stamp from its estimate that still counts as a match, ms */
  get toleranceMs() {
    return Math.max(2, Math.min(this.intervalMs * 0.35, 20));
  }

  /**
   * @param {number} rtp
   * @returns {number | null} the estimated stamp of the frame, null while the constant is unknown
   */
  stampOf(rtp) {
    if (this.shift === null) return null;
    return this.unwrapper.unwrap(rtp) / TICKS_PER_MS + this.shift;
  }

  /** @returns {number} the shortest time from a stamp to its frame's leaving the encoder, ms */
  get minEncodeMs() {
    return this.shift === null ? Infinity : this.bound - this.shift;
  }

  /** Determines the constant from all kept stamps and events. */
  fit() {
    const enough = this.presented ? PRESENTED_TO_TRUST : EVENTS_TO_TRUST;
    if (this.events.length < enough || this.stamps.length < enough) return;
    const slack = this.presented ? PRESENTED_SLACK * this.intervalMs : 0;
    const limit = this.bound - this.minDelay + Math.max(DELIVERED_SLACK_MS, slack);
    const tolerance = this.toleranceMs;
    /** @type {{shift: number, score: number}[]} */
    const candidates = [];
    const step = Math.max(1, Math.floor(this.events.length / 4));
    for (let e = this.events.length - 1; e >= 0; e -= step) {
      for (const stamp of this.stamps) {
        const shift = stamp - this.events[e].media;
        if (shift <= limit && shift > limit - 1500) {
          candidates.push({ shift, score: this.matches(shift, tolerance).length });
        }
      }
    }
    const best = Math.max(0, ...candidates.map((c) => c.score));
    if (best < EVENTS_TO_TRUST - 1) return;
    const good = candidates.filter((c) => c.score >= 0.8 * best);
    const latest = Math.max(...good.map((c) => c.shift));
    this.shift = latest + median(this.matches(latest, tolerance));
    this.locked = this.events.length >= EVENTS_TO_LOCK;
  }

  /** Follows slow changes of the constant; starts over when the pattern no longer agrees. */
  follow() {
    if (this.shift === null) return;
    const errors = this.matches(this.shift, this.toleranceMs);
    if (errors.length < 0.4 * this.events.length) {
      const { stamps, minDelay } = this;
      this.reset();
      this.stamps = stamps;
      this.minDelay = minDelay;
      return;
    }
    this.shift += median(errors);
  }

  /**
   * @param {number} shift
   * @param {number} tolerance
   * @returns {number[]} the error of the nearest stamp, for each event that has one within the tolerance
   */
  matches(shift, tolerance) {
    const errors = [];
    let i = 0;
    for (const { media } of this.events) {
      const want = media + shift;
      while (i + 1 < this.stamps.length && Math.abs(this.stamps[i + 1] - want) <= Math.abs(this.stamps[i] - want)) {
        i += 1;
      }
      const error = this.stamps[i] - want;
      if (Math.abs(error) <= tolerance) errors.push(error);
    }
    return errors;
  }
}

/**
 * @param {number[]} values
 * @returns {number} 0 when there are none
 */
function median(values) {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
