/** Quantiles of a bounded number of recent samples. */

/**
 * The q-quantile of sorted numbers, by linear interpolation.
 *
 * @param {ArrayLike<number>} sorted ascending
 * @param {number} q between 0 and 1
 * @returns {number | null} null when there are none
 */
export function quantile(sorted, q) {
  const n = sorted.length;
  if (n === 0) return null;
  const at = (n - 1) * q;
  const low = Math.floor(at);
  const high = Math.min(n - 1, low + 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

/** The newest samples up to a capacity, each with its time; beyond it the oldest are replaced. */
export class Samples {
  /** @param {number} capacity */
  constructor(capacity = 4096) {
    this.capacity = capacity;
    /** @type {number[]} */
    this.values = [];
    /** @type {number[]} */
    this.times = [];
    this.next = 0;
    this.total = 0;
  }

  /**
   * @param {number} value
   * @param {number} [timeMs]
   */
  add(value, timeMs = 0) {
    this.values[this.next] = value;
    this.times[this.next] = timeMs;
    this.next = (this.next + 1) % this.capacity;
    this.total += 1;
  }

  /** @returns {number} the number of samples */
  get size() {
    return this.values.length;
  }

  /**
   * @param {number} [sinceMs] only samples at or after this time
   * @returns {{n: number, p50: number | null, p90: number | null, p99: number | null}}
   */
  summary(sinceMs = -Infinity) {
    const kept = this.values.filter((_, i) => this.times[i] >= sinceMs).sort((a, b) => a - b);
    return {
      n: kept.length,
      p50: quantile(kept, 0.5),
      p90: quantile(kept, 0.9),
      p99: quantile(kept, 0.99),
    };
  }
}
