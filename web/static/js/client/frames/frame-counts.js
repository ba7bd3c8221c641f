/**
 * Every captured frame ends in exactly one count: in time, late, or dropped for a reason. Pure: no clock.
 *
 * A frame is opened when it leaves the encoder, or counted as skipped if the encoder left it out. It is settled by
 * its answer, by the server's notice of a drop, or as lost if neither has arrived for a second beyond
 * the latency objective.
 */

import { Samples } from "./quantiles.js";

export const LEGS = Object.freeze(/** @type {const} */ (["encode", "network", "decode", "queue", "inference", "send", "back"]));

/** Beyond the objective by this much, a frame without an answer counts as lost, ms. */
const LOST_AFTER_MS = 1000;
/** Frames that may be open at once; beyond it the oldest counts as lost. */
const MAX_OPEN = 512;
/** Distinct names in a table with names from the server; further names are counted under "other". */
const MAX_NAMES = 200;

/**
 * @typedef {object} ServerTimes milliseconds of the server's monotonic clock
 * @property {number} captured
 * @property {number} received
 * @property {number} decoded
 * @property {number} dispatched
 * @property {number} inferred
 * @property {number} sent
 *
 * @typedef {object} Answer
 * @property {number} handledMs page clock
 * @property {ServerTimes} t
 * @property {number | null} offsetMs server clock minus page clock
 *
 * @typedef {object} Counts captured = in_time + late + sum(dropped) + pending
 * @property {number} captured
 * @property {number} in_time
 * @property {number} late
 * @property {number} infeasible among late and dropped
 * @property {Record<string, number>} dropped by reason
 * @property {number} pending
 *
 * @typedef {object} Open
 * @property {number} rtp
 * @property {number} leftMs page clock
 * @property {number | null} captureMs page clock
 * @property {object | null} owner the link that sent it
 * @property {Answer} [answer] arrived before the capture time was known
 */

/**
 * @param {Record<string, number>} table
 * @param {string} name
 * @param {number} [n]
 */
export function tally(table, name, n = 1) {
  const key = name in table || Object.keys(table).length < MAX_NAMES ? name : "other";
  table[key] = (table[key] ?? 0) + n;
}

/** The counts of one run of the page, over all its connections. */
export class FrameCounts {
  /**
   * @param {number} sloMs
   * @param {import("./journal.js").Journal | null} [journal] records each outcome
   */
  constructor(sloMs, journal = null) {
    this.journal = journal;
    this.sloMs = sloMs;
    this.captured = 0;
    this.inTime = 0;
    this.late = 0;
    this.infeasible = 0;
    /** @type {Record<string, number>} */
    this.dropped = {};
    /** @type {Map<number, Open>} */
    this.open = new Map();
    this.latency = new Samples();
    /** @type {Record<string, Samples>} */
    this.legs = Object.fromEntries(LEGS.map((leg) => [leg, new Samples()]));
  }

  /** @returns {number} frames that are not settled yet */
  get pending() {
    return this.open.size;
  }

  /**
   * A frame left the encoder.
   *
   * @param {number} rtp
   * @param {number} leftMs
   * @param {number | null} captureMs null while the frame's picture is not known
   * @param {object | null} [owner] the link that sent it
   */
  encoded(rtp, leftMs, captureMs, owner = null) {
    if (this.open.has(rtp)) return;
    if (this.open.size >= MAX_OPEN) {
      const oldest = this.open.keys().next().value;
      this.settleDropped(/** @type {number} */ (oldest), "lost");
    }
    this.captured += 1;
    this.open.set(rtp, { rtp, leftMs, captureMs, owner });
  }

  /**
   * Captured frames that the encoder left out.
   *
   * @param {string} reason
   * @param {number} n
   */
  skipped(reason, n) {
    this.captured += n;
    tally(this.dropped, reason, n);
  }

  /**
   * @param {number} rtp
   * @param {Answer} answer
   * @param {(rtp: number) => number | null} captureOf
   * @returns {{latencyMs: number, late: boolean} | null} null if the frame is not open, or its capture time is
   *   not known yet
   */
  answered(rtp, answer, captureOf) {
    const entry = this.open.get(rtp);
    if (!entry || entry.answer) return null;
    const captureMs = entry.captureMs ?? captureOf(rtp);
    if (captureMs === null) {
      entry.answer = answer;
      return null;
    }
    entry.captureMs = captureMs;
    return this.settleAnswered(entry, answer);
  }

  /**
   * @param {number} rtp
   * @param {string} reason
   * @param {boolean} [infeasible]
   */
  settleDropped(rtp, reason, infeasible = false) {
    const entry = this.open.get(rtp);
    if (!entry || entry.answer) return;
    this.open.delete(rtp);
    tally(this.dropped, reason);
    if (infeasible) this.infeasible += 1;
    this.journal?.ended(rtp, reason === "late" ? "hopeless" : reason, { captureMs: entry.captureMs, infeasible });
  }

  /**
   * Settles answers that waited for a capture time, and gives up frames that will not be answered.
   *
   * @param {number} nowMs
   * @param {(rtp: number) => number | null} captureOf
   * @param {object | null} [owner] whose frames
   */
  expire(nowMs, captureOf, owner = null) {
    for (const entry of this.openOf(owner)) {
      if (entry.answer) {
        const captureMs = entry.captureMs ?? captureOf(entry.rtp);
        if (captureMs !== null || nowMs - entry.answer.handledMs > LOST_AFTER_MS) {
          entry.captureMs = captureMs ?? entry.leftMs;
          this.settleAnswered(entry, entry.answer);
        }
      } else if (nowMs - (entry.captureMs ?? entry.leftMs) > this.sloMs + LOST_AFTER_MS) {
        this.settleDropped(entry.rtp, "lost");
      }
    }
  }

  /**
   * @param {object | null} owner
   * @returns {Open[]} its open frames
   */
  openOf(owner) {
    return [...this.open.values()].filter((entry) => entry.owner === owner);
  }

  /**
   * Settles a link's open frames, when it ends.
   *
   * @param {string} reason for those without an answer
   * @param {object | null} [owner] whose frames
   */
  close(reason, owner = null) {
    for (const entry of this.openOf(owner)) {
      if (entry.answer) {
        entry.captureMs ??= entry.leftMs;
        this.settleAnswered(entry, entry.answer);
      } else {
        this.settleDropped(entry.rtp, reason);
      }
    }
  }

  /**
   * @param {Open} entry with its capture time
   * @param {Answer} answer
   * @returns {{latencyMs: number, late: boolean}}
   */
  settleAnswered(entry, answer) {
    this.open.delete(entry.rtp);
    const captureMs = /** @type {number} */ (entry.captureMs);
    const latencyMs = answer.handledMs - captureMs;
    const late = latencyMs > this.sloMs;
    if (late) this.late += 1;
    else this.inTime += 1;
    this.latency.add(latencyMs, answer.handledMs);
    const legs = legsOf(captureMs, entry.leftMs, answer);
    if (legs) {
      for (const leg of LEGS) this.legs[leg].add(legs[leg], answer.handledMs);
    }
    const infeasible = late && legs !== null && legs.network >= this.sloMs;
    if (infeasible) this.infeasible += 1;
    const returnedMs = answer.handledMs;
    this.journal?.ended(entry.rtp, late ? "late" : "in_time", { captureMs, returnedMs, infeasible });
    return { latencyMs, late };
  }

  /** @returns {Counts} */
  counts() {
    return {
      captured: this.captured,
      in_time: this.inTime,
      late: this.late,
      infeasible: this.infeasible,
      dropped: { ...this.dropped },
      pending: this.pending,
    };
  }
}

/**
 * The legs of an answered frame; they sum to the time from capture to handling.
 *
 * @param {number} captureMs
 * @param {number} leftMs
 * @param {Answer} answer
 * @returns {Record<string, number> | null} null while the clocks are not matched
 */
export function legsOf(captureMs, leftMs, { handledMs, t, offsetMs }) {
  if (offsetMs === null || !t) return null;
  const legs = {
    encode: leftMs - captureMs,
    network: t.received - offsetMs - leftMs,
    decode: t.decoded - t.received,
    queue: t.dispatched - t.decoded,
    inference: t.inferred - t.dispatched,
    send: t.sent - t.inferred,
    back: handledMs - (t.sent - offsetMs),
  };
  return Object.values(legs).every(Number.isFinite) ? legs : null;
}
