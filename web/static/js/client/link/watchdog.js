/**
 * Notices within a second that the server cannot be heard; the browser takes several.
 *
 * A server that lives answers frames, and pings where there are none. Only time in which the page itself ran counts: what
 * arrived while it was held up is read before the next step.
 */

/** How often `step` is to be called. */
export const STEP_MS = 100;
/** Silence after which pings follow each other quickly: a live server answers one of them. */
const PING_MS = 200;
/** Silence after which the server is asked over HTTP, so that its answer is there in time. */
const ASK_MS = 350;
/** Round trips after the first ping, if that is longer. */
const ASK_ROUND_TRIPS = 2;
/** Silence after which the path counts as broken if the server lives. */
const SILENT_MS = 600;
/** On a link of long round trips, so many of them. */
const ROUND_TRIPS = 3;
/** How much longer it is silent here (a round trip, if that is longer) than there: a server that was held up answers both at once. */
const PROVEN_MS = 100;

/** Pure: it is given the time. */
export class Watchdog {
  /** @param {number} nowMs */
  constructor(nowMs) {
    this.silentMs = 0;
    this.steppedMs = nowMs;
    /** Whether the silence is long enough to ask over HTTP. */
    this.asks = false;
    /** The silence at which the server said over HTTP that it has the session still. */
    this.provenMs = Infinity;
  }

  /** The server has answered. */
  reset() {
    this.silentMs = 0;
    this.provenMs = Infinity;
    this.asks = false;
  }

  /** The server has said over HTTP that it still has the session. */
  proven() {
    this.provenMs = this.silentMs;
  }

  /**
   * @param {number} nowMs
   * @param {number} [rttMs] of the link
   * @returns {{ping: boolean, ask: boolean, silent: boolean}} what the silence gives reason for; `ask` until it is proven
   */
  step(nowMs, rttMs = 0) {
    this.silentMs += Math.min(nowMs - this.steppedMs, 1.5 * STEP_MS);
    this.steppedMs = nowMs;
    const { silentMs, provenMs } = this;
    this.asks = silentMs >= Math.max(ASK_MS, PING_MS + ASK_ROUND_TRIPS * rttMs);
    const silent =
      silentMs >= Math.max(SILENT_MS, ROUND_TRIPS * rttMs) && silentMs - provenMs >= Math.max(PROVEN_MS, rttMs);
    return { ping: silentMs >= PING_MS, ask: this.asks && provenMs === Infinity, silent };
  }
}
