/** Whether what the page shows is of now: a frozen picture, or one without answers, must not pass for live. */

import { pageNow } from "./settings.js";

/** Without news for so long, the page says so within a second. */
const STALE_MS = 800;
const CHECK_MS = 100;
/** A check this late says that the page itself stood still: what came meanwhile has not been handled yet. */
const LATE_CHECK_MS = 300;
/** Frames that may be left out before their absence means something. */
const FRAMES = 2.5;

/**
 * @typedef {"fresh" | "frozen" | "unsent" | "unanswered"} Freshness `frozen`: the source gives no picture; `unsent`: none
 *   leaves this device; `unanswered`: the server answers none
 */

/**
 * Pure.
 *
 * @param {object} seen
 * @param {number} seen.nowMs
 * @param {number} seen.sinceMs when pictures and answers began to be expected
 * @param {number | null} seen.pictureMs when the newest picture came
 * @param {number | null} seen.sentMs when the newest one left the encoder; null: unknown
 * @param {number | null} seen.answerMs when the newest answer came
 * @param {number} seen.sloMs
 * @param {number} seen.fps that are asked of the source
 * @returns {Freshness}
 */
export function freshnessOf({ nowMs, sinceMs, pictureMs, sentMs, answerMs, sloMs, fps }) {
  const silent = (/** @type {number | null} */ lastMs) => nowMs - Math.max(sinceMs, lastMs ?? 0);
  const someFramesMs = (FRAMES * 1000) / Math.max(fps, 0.1);
  if (silent(pictureMs) > Math.max(STALE_MS, someFramesMs)) return "frozen";
  if (silent(answerMs) <= Math.max(STALE_MS, sloMs + someFramesMs)) return "fresh";
  return sentMs !== null && silent(sentMs) > Math.max(STALE_MS, someFramesMs) ? "unsent" : "unanswered";
}

export class FreshnessMonitor {
  /**
   * @param {import("./session.js").Session} session
   * @param {(freshness: Freshness) => void} onChange
   */
  constructor(session, onChange) {
    this.session = session;
    this.onChange = onChange;
    /** @type {Freshness} */
    this.freshness = "fresh";
    /** When it was last fresh. */
    this.freshMs = 0;
    this.checkedMs = 0;
    setInterval(() => this.check(pageNow()), CHECK_MS);
  }

  /** @param {number} nowMs page clock */
  check(nowMs) {
    const isLate = nowMs - this.checkedMs > LATE_CHECK_MS;
    this.checkedMs = nowMs;
    const { client, options, state, sinceMs } = this.session;
    if (state !== "live" || !client) this.become("fresh", nowMs);
    else if (!isLate) {
      const fps = Math.min(client.hint?.fps ?? options.fps, options.fps);
      this.become(freshnessOf({ nowMs, sinceMs, ...client.latest, sloMs: options.sloMs, fps }), nowMs);
    }
  }

  /**
   * @param {Freshness} freshness
   * @param {number} nowMs
   */
  become(freshness, nowMs) {
    if (freshness === "fresh") this.freshMs = nowMs;
    if (freshness === this.freshness) return;
    this.freshness = freshness;
    this.onChange(freshness);
  }
}
