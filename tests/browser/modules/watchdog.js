import { STEP_MS, Watchdog } from "/static/js/client/link/watchdog.js";
import { equal } from "./check.js";

const NOTHING = { ping: false, ask: false, silent: false };

/** @returns {any[]} what each of `steps` steps gave reason for */
function after(watchdog, steps, rttMs, fromMs = 0) {
  return Array.from({ length: steps }, (_, i) => watchdog.step(fromMs + (i + 1) * STEP_MS, rttMs));
}

export function test_silence_is_met_by_pings_then_a_question_then_trouble() {
  const seen = after(new Watchdog(0), 8);
  equal(seen[1], NOTHING);
  equal(seen[2], { ping: true, ask: false, silent: false });
  equal(seen[4], { ping: true, ask: true, silent: false });
  equal(seen[5].silent, false);
  equal(seen[6], { ping: true, ask: true, silent: true });
}

export function test_a_reply_ends_the_silence() {
  const watchdog = new Watchdog(0);
  after(watchdog, 6);
  watchdog.reset();
  equal(watchdog.asks, false);
  equal(watchdog.step(7 * STEP_MS), NOTHING);
}

export function test_time_in_which_the_page_was_held_up_does_not_count() {
  const watchdog = new Watchdog(0);
  equal(watchdog.step(5000), NOTHING);
  equal(watchdog.step(10_000), { ping: true, ask: false, silent: false });
}

export function test_long_round_trips_take_longer_to_be_silence() {
  const silent = after(new Watchdog(0), 13, 400).map((each) => each.silent);
  equal(silent.indexOf(true), 11); // three round trips
}
