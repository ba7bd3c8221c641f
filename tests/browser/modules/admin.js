/** The operator's words: what is wrong is said, of whom, and why. */

import { equal, ok } from "./check.js";
import { verdict } from "/static/js/admin/verdict.js";
import { ageText, rateSession, percent, setLimits, tally } from "/static/js/admin/texts.js";

const MISSES = ["answered_late", "late", "lost"];
const session = (/** @type {any} */ fields) => ({
  name: "abc", label: "gate", state: "live", age_s: 60, slo_ms: 100, legs: {}, recent: { in_time: 100 }, ...fields,
});
const state = (/** @type {any[]} */ sessions, /** @type {any} */ server = {}, /** @type {any[]} */ devices = []) => ({
  sessions,
  devices: [{ number: 0, state: "ready", description: "CPU" }, ...devices],
  server: { ready: true, draining: false, loop_lag_ms: 1, ingest: [], ...server },
});

export function test_a_share_is_never_rounded_to_all() {
  equal(percent(1), "100 %");
  equal(percent(0.9999), "99.9 %");
  equal(percent(0.004), "0.4 %");
  equal(percent(0.42), "42 %");
  equal(percent(1.2), "120 %");
}

export function test_frames_left_out_as_asked_are_not_missed() {
  equal(tally({ in_time: 90, paced: 50, lost: 4, late: 6 }, MISSES).reasons.map(([reason]) => reason).join(), "late,lost");
  equal(tally({ in_time: 90, paced: 50, lost: 4, late: 6 }, MISSES).share, 0.1);
  equal(tally({ paced: 3 }, MISSES).share, null);
}

export function test_a_session_is_judged_by_its_last_frames() {
  equal(rateSession(session({}), MISSES).level, "good");
  equal(rateSession(session({ recent: { in_time: 96, lost: 4 } }), MISSES).level, "fair");
  equal(rateSession(session({ recent: { in_time: 60, lost: 30, late: 10 } }), MISSES).words, "misses 40 %: mostly lost on the way");
  equal(rateSession(session({ recent: {} }), MISSES).words, "no frame for 10 s");
  equal(rateSession(session({ recent: {}, age_s: 2 }), MISSES).level, "idle");
  const legs = { network: { p50_ms: 40, p99_ms: 90 }, inference: { p50_ms: 10, p99_ms: 12 } };
  ok(rateSession(session({ recent: { in_time: 1, late: 9 }, legs }), MISSES).words.endsWith("network takes up to 90 of 100 ms"));
}

export function test_its_limits_are_the_operator_s() {
  const some = session({ recent: { in_time: 95, lost: 5 } });
  equal(rateSession(some, MISSES).level, "fair");
  setLimits({ amber_misses: 0.06, red_misses: 0.5 });
  equal(rateSession(some, MISSES).level, "good");
  setLimits({ amber_misses: 0.01, red_misses: 0.04 });
  equal(rateSession(some, MISSES).level, "poor");
  setLimits({ amber_misses: 0.015, red_misses: 0.1 });
}

export function test_the_first_line_tells_what_is_wrong() {
  equal(verdict(state([session({}), session({})]), MISSES).line, "All 2 sessions in time");
  const bad = verdict(state([session({}), session({ label: "dock", recent: { in_time: 1, lost: 9 } })]), MISSES);
  equal(bad.line, "1 of 2 sessions misses the objective");
  equal(bad.level, "poor");
  equal(bad.causes[0].title, "dock");
  equal(verdict(state([]), MISSES).level, "idle");
  const down = verdict(state([session({})], {}, [{ number: 1, state: "lost", description: "GPU" }]), MISSES);
  equal(down.line, "1 device down");
  equal(down.level, "poor");
  equal(verdict(state([session({})], { ready: false }), MISSES).line, "No device takes frames");
  ok(verdict(state([session({})], { draining: true }), MISSES).line.endsWith("newcomers are refused"));
  equal(verdict(state([session({})], { loop_lag_ms: 90 }), MISSES).level, "fair");
  const refused = verdict(state([session({})], { refused: { full: 1, busy: 3 } }), MISSES);
  equal(refused.causes[0].text, "4 newcomers refused in ten minutes: busy 3, full 1.");
  equal(refused.level, "good");
  equal(verdict(state([session({})], { refused: {} }), MISSES).causes.length, 0);
  const many = Array.from({ length: 9 }, () => session({ recent: { lost: 9 } }));
  equal(verdict(state(many), MISSES).causes.at(-1)?.text, "and 5 more, below");
}

export function test_ages_are_short() {
  equal([5, 300, 7200, 400_000].map(ageText).join(), "5 s,5 min,2 h,5 days");
}
