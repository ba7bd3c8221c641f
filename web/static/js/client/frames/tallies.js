/** The figures of one session, over all its links. */

import { FrameCounts } from "./frame-counts.js";
import { Journal } from "./journal.js";

/** Until the server's objective is known. */
const DEFAULT_SLO_MS = 100;

export class Tallies {
  /**
   * @param {number | null} sloMs
   * @param {boolean} journal whether every frame is recorded
   */
  constructor(sloMs, journal) {
    /** @type {Journal | null} */
    this.journal = journal ? new Journal() : null;
    this.frames = new FrameCounts(sloMs ?? DEFAULT_SLO_MS, this.journal);
    /** @type {Record<string, number>} boxes answered */
    this.classes = {};
    /** @type {Record<string, number>} frames */
    this.sentSizes = {};
    /** @type {Record<string, number>} answers */
    this.variants = {};
  }

  /** @param {number} sinceMs page clock: latency and legs of the frames after it */
  summary(sinceMs) {
    const legs = Object.entries(this.frames.legs).map(([leg, samples]) => [leg, samples.summary(sinceMs)]);
    return {
      sloMs: this.frames.sloMs,
      counts: this.frames.counts(),
      latencyMs: this.frames.latency.summary(sinceMs),
      legsMs: Object.fromEntries(legs),
      classes: { ...this.classes },
      sentSizes: { ...this.sentSizes },
      variants: { ...this.variants },
    };
  }
}
