/**
 * What tests and the demo command see and do, as `window.__edge`:
 *
 *   state          "idle" | "asking" | "connecting" | "live" | "reconnecting" | "paused" | "error"
 *   problem        {code, title, text, detail} or null
 *   freshness      "fresh" | "frozen" | "unsent" | "unanswered": whether the shown picture and its boxes are of now
 *   counts         {captured, in_time, late, infeasible, dropped: {reason: n}, pending};
 *                  captured = in_time + late + sum(dropped) + pending. The page's own reasons: "encoder" (left
 *                  out by the encoder), "paced" (left out to keep the hinted rate), "lost" (no answer), "stopped"
 *   latency        {n, p50, p90, p99} ms from capture to the drawn boxes
 *   legs           {encode, network, decode, queue, inference, send, back}: {n, p50, p90, p99} each; a frame's legs sum
 *                  to its latency
 *   classes        {name: boxes}      sent_sizes {"WxH": frames}      variants {name: answers}
 *   hint           the server's last hint, or null
 *   choices        {model, min_score, classes}: what the user has chosen of the detector
 *   snapshot()     all of this and more: {state, slo_ms, fps, label, source, counts, latency_ms, legs_ms, classes,
 *                  sent_sizes, variants, hint, hints_applied, session, reconnects, replacements, refusals,
 *                  choices, drawn, undrawn, sender, server, clock}
 *   journal()      with journal=1, a line for every frame captured since the start, and the hints: client/frames/journal.js
 *   start(kind), stop(), flip()
 *   finish()       stops sending, waits until every frame is counted, stops, and returns a snapshot
 */

import { describe } from "./problems.js";

/**
 * @param {import("./session.js").Session} session
 * @param {import("./freshness.js").FreshnessMonitor} monitor
 * @param {(kind: "camera" | "sample") => Promise<void>} start
 * @returns {object}
 */
export function automationOf(session, monitor, start) {
  const stats = () => session.stats();
  const chosen = () => {
    const { model, minScore, classes } = session.options;
    return { model, min_score: minScore, classes: [...classes] };
  };

  /** @returns {Record<string, any>} */
  function snapshot() {
    const now = stats();
    const quantiles = (/** @type {any} */ { p50, p90, p99 }) => ({ p50, p90, p99 });
    return {
      state: session.state,
      slo_ms: session.options.sloMs,
      fps: session.options.fps,
      label: session.options.label,
      source: session.kind,
      counts: now.counts,
      latency_ms: quantiles(now.latencyMs),
      legs_ms: Object.fromEntries(Object.entries(now.legsMs).map(([leg, summary]) => [leg, quantiles(summary)])),
      classes: now.classes,
      sent_sizes: now.sentSizes,
      variants: now.variants,
      hint: now.hint,
      hints_applied: now.hintsApplied,
      session: now.session,
      reconnects: now.reconnects,
      replacements: now.replacements,
      refusals: now.refusals,
      choices: chosen(),
      drawn: now.drawn,
      undrawn: now.undrawn,
      sender: now.sender,
      server: now.server,
      clock: now.clock,
    };
  }

  return Object.freeze({
    get state() { return session.state; },
    get problem() { return session.problem ? describe(session.problem) : null; },
    get freshness() { return monitor.freshness; },
    get counts() { return stats().counts; },
    get latency() { return stats().latencyMs; },
    get legs() { return stats().legsMs; },
    get classes() { return stats().classes; },
    get sent_sizes() { return stats().sentSizes; },
    get variants() { return stats().variants; },
    get hint() { return stats().hint; },
    get choices() { return chosen(); },
    snapshot,
    journal: () => session.client?.journal() ?? null,
    start,
    stop: () => session.stop(),
    flip: () => session.flip(),
    async finish() {
      await session.finish();
      return snapshot();
    },
  });
}
