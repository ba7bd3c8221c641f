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
const LEAPS = 3;
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
    this.reset();
  }

  /** Forgets the constant, for another source on the same sender; unwrapping continues. */
  reset() {
    /** @type {number[]} */
    this.stamps = [];
    /** @type {{media: number, left: number}[]} */
    this.events = [];
    this.seen = 0;
    this.leastDelay = Infinity;
    this.presented = false;
    this.bound = Infinity;
    /** @type {number | null} */
    this.shift = null;
    this.leaps = 0;
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
    this.leastDelay = Math.min(this.leastDelay, arrivedMs - stampMs);
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
    this.seen += 1;
    if (!this.locked) this.fit();
    else if (this.seen % 8 === 0) this.follow();
  }

  /**
   * Without an encoded transform: a frame is placed by the server's capture time, mapped to the page's clock.
   *
   * @param {number} rtp
   * @param {number} capturedMs page clock
   */
  told(rtp, capturedMs) {
    const media = this.unwrapper.unwrap(rtp) / TICKS_PER_MS;
    if (this.leastDelay === Infinity) return;
    const shift = capturedMs - this.leastDelay - media;
    // A better clock exchange shifts all later capture times: the constant jumps with them instead of averaging.
    const leapt = this.shift !== null && Math.abs(shift - this.shift) > this.intervalMs / 2;
    this.leaps = leapt ? this.leaps + 1 : 0;
    if (this.shift === null || this.leaps >= LEAPS) this.shift = shift;
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
  get leastEncodedMs() {
    return this.shift === null ? Infinity : this.bound - this.shift;
  }

  /** Determines the constant from all kept stamps and events. */
  fit() {
    const enough = this.presented ? PRESENTED_TO_TRUST : EVENTS_TO_TRUST;
    if (this.events.length < enough || this.stamps.length < enough) return;
    const slack = this.presented ? PRESENTED_SLACK * this.intervalMs : 0;
    const limit = this.bound - this.leastDelay + Math.max(DELIVERED_SLACK_MS, slack);
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
      const { stamps, leastDelay } = this;
      this.reset();
      this.stamps = stamps;
      this.leastDelay = leastDelay;
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

const SLIP_WINDOW = 10;
const SLIP_MS = 20;

/**
 * Corrects media times that permanently lose time: Firefox counts them in audio blocks, and a stall of that count
 * shifts all later ones. Such a slip is a delay that grows in one step and is then as even as before, unlike delay by load.
 */
export class SlipMender {
  constructor() {
    this.added = 0;
    this.least = Infinity;
    /** @type {number[]} the newest delays */
    this.delays = [];
  }

  /**
   * @param {number} mediaMs
   * @param {number} arrivedMs
   * @returns {number} a stamp that continues as if no time had been lost
   */
  stamp(mediaMs, arrivedMs) {
    const delay = arrivedMs - mediaMs - this.added;
    this.delays.push(delay);
    if (this.delays.length > SLIP_WINDOW) this.delays.shift();
    const [low, high] = [Math.min(...this.delays), Math.max(...this.delays)];
    if (this.delays.length === SLIP_WINDOW && low > this.least + SLIP_MS && high - low < 2 * SLIP_MS) {
      this.added += low - this.least;
      this.delays = [];
    }
    this.least = Math.min(this.least, delay);
    return mediaMs + this.added;
  }
}

/**
 * @typedef {object} Picture
 * @property {number} stampMs the source's own timestamp
 * @property {number} captureMs page clock
 * @property {number} width of the captured picture
 * @property {number} height of the captured picture
 * @property {boolean} mirrored whether to show it mirrored
 * @property {any} surface its kept copy, for drawing
 */

const LEAST_KEPT = 16;
/** A picture is kept at the size at which it is shown: up to some MB. */
const MOST_KEPT = 48;
/** Pictures that arrive while the page handles an answer. */
const KEPT_BEYOND = 3;

/**
 * The number of pictures to keep so that an answer within the objective still finds its own. Pure.
 *
 * @param {number} sloMs
 * @param {number} fps of the source
 * @returns {number}
 */
export function ringCapacity(sloMs, fps) {
  const wanted = Math.ceil((sloMs * fps) / 1000) + KEPT_BEYOND;
  return Number.isFinite(wanted) ? Math.min(MOST_KEPT, Math.max(LEAST_KEPT, wanted)) : LEAST_KEPT;
}

/** The newest pictures up to a capacity; the oldest passes its surface on to the next. */
export class PictureRing {
  /**
   * @param {number} capacity
   * @param {() => any} makeSurface
   */
  constructor(capacity, makeSurface) {
    this.capacity = capacity;
    this.makeSurface = makeSurface;
    /** @type {Picture[]} */
    this.pictures = [];
    /** @type {any[]} */
    this.spare = [];
  }

  /** @param {number} capacity beyond it, the oldest pictures and spare surfaces are discarded */
  resize(capacity) {
    this.capacity = capacity;
    this.pictures.splice(0, Math.max(0, this.pictures.length - capacity));
    this.spare.length = Math.min(this.spare.length, capacity - this.pictures.length);
  }

  /** @returns {any} a surface to paint the next picture on */
  borrow() {
    if (this.pictures.length >= this.capacity) return /** @type {Picture} */ (this.pictures.shift()).surface;
    return this.spare.pop() ?? this.makeSurface();
  }

  /** @param {Picture} picture newest */
  push(picture) {
    this.pictures.push(picture);
  }

  /** @returns {Picture | null} */
  get newest() {
    return this.pictures[this.pictures.length - 1] ?? null;
  }

  /**
   * @param {number} stampMs
   * @param {number} toleranceMs
   * @returns {Picture | null} the nearest picture, null when none is within the tolerance
   */
  find(stampMs, toleranceMs) {
    let found = null;
    let least = toleranceMs;
    for (const picture of this.pictures) {
      const error = Math.abs(picture.stampMs - stampMs);
      if (error <= least) {
        least = error;
        found = picture;
      }
    }
    return found;
  }

  /** Drops all pictures; their surfaces are kept for reuse. */
  clear() {
    for (const picture of this.pictures) this.spare.push(picture.surface);
    this.pictures = [];
  }
}
