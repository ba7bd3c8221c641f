/** The panel: latency, misses, the server's hint, and the time of each leg. */

import { LEGS } from "../../edge-client.js";
import { pageNow } from "./settings.js";

/** The panel covers this window, not the whole run. */
const WINDOW_MS = 10000;
/** Left out on request, or stopped by the user: these are no misses. */
const NOT_MISSED = new Set(["paced", "stopped"]);
/** The legs as displayed: short legs are added to a neighbour. */
const SHOWN_LEGS = /** @type {Record<string, string[]>} */ ({
  encode: ["encode"],
  network: ["network"],
  queue: ["decode", "queue"],
  inference: ["inference"],
  back: ["send", "back"],
});

/**
 * @param {number | null | undefined} bps
 * @returns {string}
 */
export function rateText(bps) {
  if (bps === null || bps === undefined || !Number.isFinite(bps)) return "–";
  return bps >= 999_500 ? `${(bps / 1e6).toFixed(bps >= 9.95e6 ? 0 : 1)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`;
}

/**
 * @param {number | null | undefined} ms
 * @returns {string}
 */
export function msText(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  return ms < 9.95 ? ms.toFixed(1) : String(Math.round(ms));
}

/**
 * @param {{late: number, dropped: Record<string, number>}} counts
 * @returns {[string, number][]} missed frames, by reason
 */
function misses({ late, dropped }) {
  const all = Object.entries({ late: 0, ...dropped });
  return all.map(([reason, n]) => /** @type {[string, number]} */ ([reason, reason === "late" ? n + late : n]))
    .filter(([reason, n]) => n > 0 && !NOT_MISSED.has(reason));
}

/**
 * @param {import("../../edge-client.js").Counts | undefined} counts
 * @returns {number}
 */
function missed(counts) {
  return counts ? misses(counts).reduce((sum, [, n]) => sum + n, 0) : 0;
}

/**
 * The share of captured frames that were answered in time, without frames left out on request.
 *
 * @param {import("../../edge-client.js").Counts} now
 * @param {import("../../edge-client.js").Counts} [before]
 * @returns {number | null} between 0 and 1
 */
export function shareInTime(now, before) {
  const good = now.in_time - (before?.in_time ?? 0);
  const all = good + missed(now) - missed(before);
  return all > 0 ? good / all : null;
}

/** @type {[number, string][]} the lowest share in time for each rating */
const QUALITIES = [[0.985, "good"], [0.9, "fair"], [0, "poor"]];

/**
 * @param {number | null} share
 * @returns {string} "100%" only if nothing was missed
 */
function shareText(share) {
  if (share === null) return "–";
  if (share === 1) return "100%";
  return `${Math.min(99.9, 100 * share).toFixed(share > 0.995 ? 1 : 0)}%`;
}

export class Panel {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    /** @type {{atMs: number, counts: any}[]} */
    this.history = [];
  }

  reset() {
    this.history = [];
    for (const field of this.root.querySelectorAll("[data-figure], .legend b")) field.textContent = "–";
    for (const segment of this.root.querySelectorAll(".legs i")) {
      /** @type {HTMLElement} */ (segment).style.flexGrow = "0";
    }
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  set(name, text) {
    const field = this.root.querySelector(`[data-figure="${name}"]`);
    if (field && field.textContent !== text) field.textContent = text;
  }

  /** @param {import("./session.js").Session} session */
  show(session) {
    const now = pageNow();
    const { counts, latencyMs, hint, sender, server, clock, legsMs, sloMs } = session.stats({ lastMs: WINDOW_MS });
    this.set("p50", latencyMs.p50 === null ? "–" : String(Math.round(latencyMs.p50)));
    this.set("p99", latencyMs.p99 === null ? "–" : String(Math.round(latencyMs.p99)));
    const before = this.history.find((entry) => entry.atMs >= now - WINDOW_MS)?.counts;
    this.history = [...this.history.filter((entry) => entry.atMs >= now - WINDOW_MS), { atMs: now, counts }];
    const share = shareInTime(counts, before) ?? shareInTime(counts);
    this.set("in_time", shareText(share));
    this.root.dataset.quality = QUALITIES.find(([least]) => (share ?? -1) >= least)?.[1] ?? "";

    const asked = [hint?.max_edge && `${hint.max_edge} px`, hint?.fps && `${hint.fps} fps`, rateText(hint?.max_bps)];
    this.set("hint", hint ? asked.filter(Boolean).join(" · ") : "–");
    this.set("reason", hint?.reason || "–");
    const size = `${sender?.width}×${sender?.height}`;
    const sent = `${size} · ${Math.round(sender?.fps ?? 0)} fps · ${rateText(sender?.sentBps)}`;
    this.set("sending", sender?.width ? sent : "–");
    const rtt = clock?.rttMs ?? sender?.rttMs;
    this.set("link", `${rateText(server?.link_bps ?? sender?.availableBps)} · ${msText(rtt)} ms round trip`);
    this.set("variant", server?.variant ?? hint?.variant ?? "–");
    this.set("misses", misses(counts).map(([reason, n]) => `${reason} ${n}`).join(", ") || "none");
    this.showLegs(legsMs, sloMs);
  }

  /**
   * @param {import("../../edge-client.js").Stats["legsMs"]} legsMs
   * @param {number} sloMs
   */
  showLegs(legsMs, sloMs) {
    const median = Object.fromEntries(LEGS.map((leg) => [leg, legsMs[leg].p50]));
    const spokenLegs = [];
    for (const [name, parts] of Object.entries(SHOWN_LEGS)) {
      const known = /** @type {number[]} */ (parts.map((leg) => median[leg]).filter((part) => part !== null));
      const ms = known.length ? known.reduce((sum, part) => sum + part, 0) : null;
      const segment = /** @type {HTMLElement | null} */ (this.root.querySelector(`.legs [data-leg="${name}"]`));
      if (segment) segment.style.flexGrow = String(Math.max(0, ms ?? 0) / sloMs);
      const label = this.root.querySelector(`.legend [data-leg="${name}"] b`);
      if (label) label.textContent = msText(ms);
      if (ms !== null) spokenLegs.push(`${name} ${msText(ms)} milliseconds`);
    }
    const spoken = `Where the time goes: ${spokenLegs.join(", ") || "nothing yet"}`;
    this.root.querySelector(".legs")?.setAttribute("aria-label", spoken);
  }
}
