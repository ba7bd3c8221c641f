import { STEP_MS, Watchdog } from "/static/js/client/link/watchdog.js";
import { equal } from "./check.js";

const NOTHING = { ping: false, ask: false, silent: false };

/** @returns {any[]} what each of `steps` steps gave reason for */
function after(watchdog, steps, rttMs, fromMs = 0) {
  return Array.from({ length: steps }, (_, i) => watchdog.step(fromMs + (i + 1) * STEP_MS, rttMs));
}

export function test_silence_is_met_by_pings_then_a_question() {
  const seen = after(new Watchdog(0), 12);
  equal(seen[0], NOTHING);
  equal(seen[1], { ping: true, ask: false, silent: false });
  equal(seen[2], { ping: true, ask: false, silent: false });
  equal(seen[3], { ping: true, ask: true, silent: false });
  // However long it lasts: who does not answer over HTTP either may only be slow.
  equal(seen[11], { ping: true, ask: true, silent: false });
}

export function test_a_server_that_lives_and_is_not_heard_is_trouble() {
  const watchdog = new Watchdog(0);
  after(watchdog, 4);
  watchdog.proven();
  const seen = after(watchdog, 3, 0, 4 * STEP_MS);
  equal(seen[0], { ping: true, ask: false, silent: false });
  equal(seen[1], { ping: true, ask: false, silent: true });
}

export function test_a_server_that_was_held_up_has_a_moment_to_answer_here_too() {
  const watchdog = new Watchdog(0);
  after(watchdog, 9);
  watchdog.proven();
  const seen = after(watchdog, 3, 150, 9 * STEP_MS).map((each) => each.silent);
  equal(seen, [false, true, true]); // a round trip of 150 ms
}

export function test_a_reply_ends_the_silence_and_what_was_proven() {
  const watchdog = new Watchdog(0);
  after(watchdog, 6);
  watchdog.proven();
  watchdog.reset();
  equal(watchdog.asks, false);
  equal(watchdog.step(7 * STEP_MS), NOTHING);
  equal(after(watchdog, 8, 0, 7 * STEP_MS).some((each) => each.silent), false);
}

export function test_time_in_which_the_page_was_held_up_does_not_count() {
  const watchdog = new Watchdog(0);
  equal(watchdog.step(5000), NOTHING);
  equal(watchdog.step(10_000), { ping: true, ask: false, silent: false });
}

export function test_long_round_trips_take_longer_to_be_silence() {
  const watchdog = new Watchdog(0);
  const asked = after(watchdog, 12, 400).map((each) => each.ask);
  equal(asked.indexOf(true), 9); // two round trips after the first ping
  watchdog.reset();
  watchdog.proven();
  const silent = after(watchdog, 13, 400, 12 * STEP_MS).map((each) => each.silent);
  equal(silent.indexOf(true), 11); // three round trips
}
