/**
 * The server's clock relative to the page's, from pings over the control channel (as in NTP, RFC 5905, section 8: the
 * exchange with the shortest round trip gives the best offset).
 */

const KEPT = 30;

/** @returns {number} the page's clock: monotonic Unix milliseconds, with a fraction */
export function pageNow() {
  return performance.timeOrigin + performance.now();
}

/** Offset and round-trip time, from the newest exchanges. Pure. */
export class ClockEstimate {
  constructor() {
    /** @type {{offsetMs: number, rttMs: number}[]} */
    this.exchanges = [];
  }

  /**
   * @param {number} t0 page clock, ping sent
   * @param {number} t1 server clock, ping received
   * @param {number} t2 server clock, pong sent
   * @param {number} t3 page clock, pong received
   */
  add(t0, t1, t2, t3) {
    const rttMs = t3 - t0 - (t2 - t1);
    if (![t0, t1, t2, t3].every(Number.isFinite) || rttMs < 0) return;
    this.exchanges.push({ offsetMs: (t1 - t0 + (t2 - t3)) / 2, rttMs });
    if (this.exchanges.length > KEPT) this.exchanges.shift();
  }

  /** @returns {{offsetMs: number, rttMs: number} | null} of the exchange with the shortest round trip */
  get best() {
    let best = null;
    for (const exchange of this.exchanges) {
      if (best === null || exchange.rttMs < best.rttMs) best = exchange;
    }
    return best;
  }
}

/** Pings once a second, ten times as often for the first second. */
export class Pinger {
  /**
   * @param {(message: object) => void} send
   * @param {ClockEstimate} estimate
   */
  constructor(send, estimate) {
    this.send = send;
    this.estimate = estimate;
    this.sent = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  start() {
    this.ping();
    this.timer = setTimeout(() => this.start(), this.sent < 10 ? 100 : 1000);
  }

  ping() {
    const best = this.estimate.best;
    const known = best ? { offset_ms: best.offsetMs, rtt_ms: best.rttMs } : {};
    this.send({ type: "ping", t0_ms: pageNow(), ...known });
    this.sent += 1;
  }

  stop() {
    clearTimeout(this.timer);
  }
}
