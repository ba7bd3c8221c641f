/** When a connection is tried again after it failed. */

import { pageNow } from "./clock.js";

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 8000;
/** A link that lasted this long resets the count of failures. */
const STEADY_MS = 10000;

/**
 * The delay before a new attempt: doubling, with some spread so that clients don't all return at once. Pure.
 *
 * @param {number} failures so far, 1 after the first
 * @param {number} spread between 0 and 1
 * @returns {number} ms
 */
export function retryDelayMs(failures, spread) {
  const base = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1));
  return base * (0.75 + 0.5 * spread);
}

/** The attempts to connect again, one at a time. */
export class Retry {
  /** @param {() => void} connect */
  constructor(connect) {
    this.connect = connect;
    this.failures = 0;
    /** Attempts after a failure. */
    this.count = 0;
    /** When the next attempt begins, page clock. */
    this.atMs = 0;
    this.liveSinceMs = Infinity;
    /** @type {ReturnType<typeof setTimeout> | undefined} set while an attempt is scheduled */
    this.timer = undefined;
  }

  /** @returns {boolean} whether an attempt is scheduled */
  get isScheduled() {
    return this.timer !== undefined;
  }

  /** Connected. */
  live() {
    this.liveSinceMs = pageNow();
  }

  /** @param {number | undefined} afterMs as the server asks; undefined: a delay that grows with each failure */
  schedule(afterMs) {
    const now = pageNow();
    if (now - this.liveSinceMs > STEADY_MS) this.failures = 0;
    this.liveSinceMs = Infinity;
    this.failures += 1;
    const delayMs = afterMs ?? retryDelayMs(this.failures, Math.random());
    this.atMs = now + delayMs;
    this.timer = setTimeout(() => this.now(), delayMs);
  }

  /** Begins the attempt that is scheduled. */
  now() {
    if (!this.isScheduled) return;
    this.cancel();
    this.count += 1;
    this.connect();
  }

  cancel() {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
