/** What was found, in words for screen readers: seldom enough to be heard to the end. */

import { pageNow } from "./settings.js";

/** Between two announcements, ms. */
const EVERY_MS = 4000;
/** Answers that an announcement covers: single frames miss things, and see others twice. */
const WINDOW_MS = 1500;
const MAX_ANSWERS = 100;
const MAX_NAMES = 6;

/**
 * The number of each class in most of the answers; what was told before stays while it is among the usual numbers. Pure.
 *
 * @param {Map<string, number>[]} answers the number of each class's boxes
 * @param {Map<string, number>} before
 * @returns {Map<string, number>} those above 0
 */
export function usualCounts(answers, before) {
  const usual = new Map();
  for (const name of new Set(answers.flatMap((answer) => [...answer.keys()]))) {
    const counts = answers.map((answer) => answer.get(name) ?? 0).sort((a, b) => a - b);
    const [low, middle, high] = [1, 2, 3].map((quarter) => counts[(quarter * counts.length) >> 2]);
    const told = before.get(name) ?? 0;
    const count = told >= low && told <= high ? told : middle;
    if (count > 0) usual.set(name, count);
  }
  return usual;
}

/**
 * Pure.
 *
 * @param {Map<string, number>} counts
 * @returns {string} the most numerous first
 */
export function foundWords(counts) {
  if (counts.size === 0) return "Nothing found";
  const found = [...counts].sort(([a, m], [b, n]) => n - m || a.localeCompare(b));
  const words = found.slice(0, MAX_NAMES).map(([name, n]) => (n > 1 ? `${name} × ${n}` : name));
  return found.length > MAX_NAMES ? `${words.join(", ")} and more` : words.join(", ");
}

export class FoundAnnouncer {
  /** @param {HTMLElement} element a polite live region */
  constructor(element) {
    this.element = element;
    /** @type {{atMs: number, counts: Map<string, number>}[]} oldest first; beyond MAX_ANSWERS the oldest go */
    this.answers = [];
    this.dueMs = 0;
    /** @type {Map<string, number>} */
    this.told = new Map();
  }

  reset() {
    this.answers = [];
    this.told = new Map();
    this.element.textContent = "";
  }

  /** @param {import("../../edge-client.js").Detections} detections */
  add({ boxes }) {
    const nowMs = pageNow();
    const counts = new Map();
    for (const { class: name } of boxes) counts.set(name, (counts.get(name) ?? 0) + 1);
    if (this.answers.length === 0) this.dueMs = nowMs + WINDOW_MS;
    this.answers = [...this.answers.filter(({ atMs }) => atMs > nowMs - WINDOW_MS), { atMs: nowMs, counts }].slice(-MAX_ANSWERS);
    if (nowMs < this.dueMs) return;
    this.told = usualCounts(this.answers.map((answer) => answer.counts), this.told);
    const words = foundWords(this.told);
    if (words === this.element.textContent) return;
    this.element.textContent = words;
    this.dueMs = nowMs + EVERY_MS;
  }
}
