import { freshnessOf } from "/static/js/page/freshness.js";
import { equal } from "./check.js";

const FRESH = { nowMs: 10_000, sinceMs: 0, pictureMs: 9_990, sentMs: 9_980, answerMs: 9_950, sloMs: 100, fps: 15 };
const of = (more) => freshnessOf({ ...FRESH, ...more });

export function test_news_of_the_last_second_is_fresh() {
  equal(of({}), "fresh");
  equal(of({ pictureMs: 9_201, answerMs: 9_201 }), "fresh");
}

export function test_without_a_picture_it_is_frozen_within_a_second_whatever_is_answered() {
  equal(of({ pictureMs: 9_101 }), "frozen");
  equal(of({ pictureMs: 9_101, answerMs: 1 }), "frozen");
}

export function test_without_an_answer_it_says_so_within_a_second() {
  equal(of({ answerMs: 9_101 }), "unanswered");
  equal(of({ answerMs: 9_101, sentMs: null }), "unanswered");
  equal(of({ answerMs: 9_101, sentMs: 9_101 }), "unsent"); // it cannot answer what is not sent
}

export function test_a_session_that_has_just_begun_has_its_time() {
  equal(of({ sinceMs: 9_500, pictureMs: null, answerMs: null }), "fresh");
  equal(of({ sinceMs: 9_100, pictureMs: null, answerMs: null }), "frozen");
  equal(of({ sinceMs: 9_100, answerMs: null }), "unanswered");
  equal(of({ sinceMs: 9_500, pictureMs: 2_000, answerMs: 2_000 }), "fresh"); // another camera since then
}

export function test_a_long_objective_and_a_low_rate_are_waited_for() {
  equal(of({ sloMs: 5000, answerMs: 5_000 }), "fresh");
  equal(of({ sloMs: 5000, answerMs: 4_700 }), "unanswered");
  equal(of({ fps: 1, pictureMs: 7_600, answerMs: 7_600 }), "fresh");
  equal(of({ fps: 1, pictureMs: 7_400 }), "frozen");
}
