/** The time that the charts show: the minutes of the event stream, or hours from the server's history. */

import { root } from "../root.js";
import { $ } from "./dom.js";

/** Between two requests for the same hours: they have a point a minute or two. */
const LOOK_MS = 30_000;

export class ChartSpan {
  constructor() {
    /** @type {Record<string, (number | null)[]> | null} */
    this.kept = null;
    this.dueMs = 0;
    this.fetching = false;
    $("span").addEventListener("change", () => {
      this.kept = null;
      this.dueMs = 0;
      this.fetch();
    });
  }

  /** @returns {Record<string, (number | null)[]> | null} the columns to show; null: the minutes */
  columns() {
    if (!$("span").value) return null;
    if (performance.now() >= this.dueMs) this.fetch();
    return this.kept;
  }

  async fetch() {
    const hours = $("span").value;
    if (!hours || this.fetching || document.hidden) return;
    this.fetching = true;
    this.dueMs = performance.now() + LOOK_MS;
    try {
      const response = await fetch(`${root}/api/history?hours=${hours}`).catch(() => null);
      if (response?.ok && $("span").value === hours) this.kept = await response.json();
    } finally {
      this.fetching = false;
    }
  }
}
