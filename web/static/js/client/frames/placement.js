/**
 * Matches the frames that leave an encoder to the pictures that were captured, and tells which ones the encoder left
 * out. Pure: no clock.
 */

/** Pictures and frames kept until they are matched; beyond it the oldest are discarded. */
const MAX_UNPLACED = 240;

export class Placement {
  /**
   * @param {import("./capture-map.js").CaptureMap} map
   * @param {(rtp: number, stampMs: number) => void} onPlaced a frame's picture is known
   * @param {(stamps: number[], before: number, after: number) => void} onSkipped pictures that were left out between the
   *   stamps of two frames
   */
  constructor(map, onPlaced, onSkipped) {
    this.map = map;
    this.onPlaced = onPlaced;
    this.onSkipped = onSkipped;
    this.reset();
  }

  /** Another source: nothing of the one before can be matched. */
  reset() {
    /** @type {number[]} pictures that no encoded frame has claimed yet */
    this.stamps = [];
    /** @type {number[]} RTP timestamps of frames whose picture is not known yet */
    this.unplaced = [];
    /** @type {number | null} */
    this.lastStamp = null;
  }

  /** @param {number} stampMs */
  captured(stampMs) {
    this.stamps.push(stampMs);
    if (this.stamps.length > MAX_UNPLACED) this.stamps.shift();
  }

  /** @param {number} rtp */
  encoded(rtp) {
    this.unplaced.push(rtp);
    if (this.unplaced.length > MAX_UNPLACED) this.unplaced.shift();
    this.place();
  }

  place() {
    for (;;) {
      const next = this.unplaced[0];
      const stamp = next === undefined ? null : this.map.stampOf(next);
      if (stamp === null) return;
      this.unplaced.shift();
      const tolerance = this.map.toleranceMs;
      const last = this.lastStamp;
      // A picture may reach the page after its encoded frame: a stamp near the last frame's belongs to that frame.
      const between = last === null ? [] : this.stamps.filter((s) => s > last + tolerance && s < stamp - tolerance);
      this.stamps = this.stamps.filter((s) => s > stamp + tolerance);
      if (last !== null) this.onSkipped(between, last, stamp);
      this.lastStamp = stamp;
      this.onPlaced(next, stamp);
    }
  }

  /**
   * Goes on where another one ends, on the same source.
   *
   * @param {Placement} before
   */
  takeOver(before) {
    before.place();
    this.lastStamp = before.lastStamp;
    this.stamps = before.stamps;
    before.stamps = [];
  }
}
