/**
 * Notices within a second that the server cannot be heard; the browser takes several.
 *
 * A server that lives answers frames, and pings where there are none. Only time in which the page itself ran counts: what
 * arrived while it was held up is read before the next step.
 */

/** How often `step` is to be called. */
export const STEP_MS = 100;
/** Silence after which pings follow each other quickly: a live server answers one of them. */
const PING_MS = 300;
/** Silence after which the server is asked over HTTP, so that its answer is there in time. */
const ASK_MS = 450;
const SILENT_MS = 700;
/** On a link of long round trips, so many of them. */
const ROUND_TRIPS = 3;

/** Pure: it is given the time. */
export class Watchdog {
  /** @param {number} nowMs */
  constructor(nowMs) {
    this.silentMs = 0;
    this.steppedMs = nowMs;
  }

  /** The server has answered. */
  reset() {
    this.silentMs = 0;
  }

  /** @returns {boolean} whether the silence is long enough to ask over HTTP */
  get asks() {
    return this.silentMs >= ASK_MS;
  }

  /**
   * @param {number} nowMs
   * @param {number} [rttMs] of the link
   * @returns {{ping: boolean, ask: boolean, silent: boolean}} what the silence gives reason for
   */
  step(nowMs, rttMs = 0) {
    this.silentMs += Math.min(nowMs - this.steppedMs, 1.5 * STEP_MS);
    this.steppedMs = nowMs;
    const silent = this.silentMs >= Math.max(SILENT_MS, ROUND_TRIPS * rttMs);
    return { ping: this.silentMs >= PING_MS, ask: this.asks, silent };
  }
}
