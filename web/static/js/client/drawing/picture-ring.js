/** Recent pictures, kept until their results arrive. Pure. */

/**
 * @typedef {object} Picture
 * @property {number} stampMs the source's own timestamp
 * @property {number} captureMs page clock
 * @property {number} width of the captured picture
 * @property {number} height of the captured picture
 * @property {boolean} mirrored whether to show it mirrored
 * @property {any} surface its kept copy, for drawing
 */

const MIN_PICTURES = 16;
/** A picture is kept at the size at which it is shown: up to some MB. */
const MAX_PICTURES = 48;
/** Pictures that arrive while the page handles an answer. */
const EXTRA_PICTURES = 3;

/**
 * The number of pictures to keep so that an answer within the objective still finds its own. Pure.
 *
 * @param {number} sloMs
 * @param {number} fps of the source
 * @returns {number}
 */
export function ringCapacity(sloMs, fps) {
  const wanted = Math.ceil((sloMs * fps) / 1000) + EXTRA_PICTURES;
  return Number.isFinite(wanted) ? Math.min(MAX_PICTURES, Math.max(MIN_PICTURES, wanted)) : MIN_PICTURES;
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
