/** Figures and ratings as texts for operators. */

import { msText, rateText } from "../page/panel.js";

export { msText, rateText };

/** @typedef {"good" | "fair" | "poor" | "idle"} Level */

/** @type {Record<string, string>} reasons for missed frames */
export const REASONS = {
  answered_late: "answered late",
  late: "arrived too late",
  superseded: "superseded",
  overload: "devices full",
  lost: "lost on the way",
  no_plan: "not served",
  failed: "worker failed",
  too_large: "too large",
};

/** @type {Record<string, string>} */
export const OUTCOMES = {
  in_time: "in time",
  paced: "left out on request",
  stopped: "open at the end",
  ...REASONS,
};

/** @type {Record<string, string>} */
export const LEGS = {
  network: "from capture to the last packet",
  decode: "to the decoded picture",
  queue: "waiting for a device",
  inference: "in the network",
  back: "back to the publisher",
};

/** Shares of frames missed from which a session, or the server, is rated; the operator's settings `amber_misses` and `red_misses` replace them. */
const LIMITS = { amber: 0.015, red: 0.1 };

/** @param {{amber_misses?: number, red_misses?: number}} settings */
export function setLimits({ amber_misses: amber, red_misses: red }) {
  LIMITS.amber = amber ?? LIMITS.amber;
  LIMITS.red = red ?? LIMITS.red;
}

/**
 * @param {number | null} share of frames that were missed; null: there were none
 * @returns {"" | "fair" | "poor"} empty where all is well
 */
export function levelOfMisses(share) {
  if (share === null) return "";
  return share > LIMITS.red ? "poor" : share > LIMITS.amber ? "fair" : "";
}

/**
 * @param {number} share
 * @returns {string}
 */
export function percent(share) {
  if (share >= 1) return `${Math.round(100 * share)} %`;
  const text = (100 * share).toFixed(share > 0.995 || (share > 0 && share < 0.1) ? 1 : 0);
  return `${text === "100.0" ? "99.9" : text} %`;
}

/**
 * @param {Record<string, number>} ends frames by outcome
 * @param {string[]} misses the outcomes that count as missed
 * @returns {{all: number, missed: number, share: number | null, reasons: [string, number][]}} reasons: most frequent first
 */
export function tally(ends, misses) {
  const reasons = misses.map((reason) => /** @type {[string, number]} */ ([reason, ends[reason] ?? 0]))
    .filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
  const missed = reasons.reduce((sum, [, count]) => sum + count, 0);
  const all = missed + (ends.in_time ?? 0);
  return { all, missed, share: all ? missed / all : null, reasons };
}

/**
 * A session's rating, and its problem in words.
 *
 * @param {any} session
 * @param {string[]} misses
 * @returns {{level: Level, words: string}}
 */
export function rateSession(session, misses) {
  if (session.state === "connecting") return { level: "idle", words: "connecting" };
  const { all, share, reasons } = tally(session.recent, misses);
  if (!all || share === null) {
    return session.age_s < 5 ? { level: "idle", words: "starting" } : { level: "poor", words: "no frame for 10 s" };
  }
  const level = levelOfMisses(share);
  if (level) {
    const [reason, count] = reasons[0];
    const words = `misses ${percent(share)}: ${count < share * all * 0.9 ? "mostly " : ""}${REASONS[reason]}${longestLeg(session)}`;
    return { level, words };
  }
  return { level: "good", words: "in time" };
}

/**
 * The longest leg, if it takes more than half of the objective.
 *
 * @param {any} session
 * @returns {string}
 */
function longestLeg(session) {
  const legs = Object.entries(session.legs).sort((a, b) => b[1].p99_ms - a[1].p99_ms);
  if (!legs.length) return "";
  const [leg, { p99_ms: ms }] = legs[0];
  return ms > 0.5 * session.slo_ms ? `; ${leg === "inference" ? "the network's answer" : leg} takes up to ${msText(ms)} of ${session.slo_ms} ms` : "";
}

/**
 * @param {number | null | undefined} bytes
 * @returns {string}
 */
export function bytesText(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
}

/**
 * @param {number} seconds
 * @returns {string}
 */
export function ageText(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

/**
 * @param {number} count
 * @param {string} noun
 * @returns {string}
 */
export function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/**
 * A session's title: its label, or its name.
 *
 * @param {any} session
 * @returns {string}
 */
export function titleOf(session) {
  return session.label || session.name;
}

/**
 * The accuracy that the plan expects of a session's frames, beside what it would have alone.
 *
 * @param {{f1: number | null, f1_alone: number | null}} session
 */
export function accuracyText({ f1, f1_alone: alone }) {
  if (f1 === null || alone === null) return "nothing is promised";
  return `F1 ${f1.toFixed(2)}` + (alone - f1 >= 0.005 ? `; ${alone.toFixed(2)} alone on a device` : "");
}
