import { LEGS, FrameCounts, legsOf, tally } from "/static/js/client/frames/frame-counts.js";
import { quantile, Samples } from "/static/js/client/frames/quantiles.js";
import { shareInTime } from "/static/js/page/panel.js";
import { close, equal, ok, random } from "./check.js";

const times = (base) => ({
  captured: base, received: base + 10, decoded: base + 12, dispatched: base + 15, inferred: base + 40, sent: base + 41,
});
const answer = (capture, handled) => ({ handledMs: handled, t: times(capture + 5000), offsetMs: 5000 });
const total = (c) => c.in_time + c.late + Object.values(c.dropped).reduce((a, b) => a + b, 0) + c.pending;

export function test_an_answer_in_time_and_one_late() {
  const frameCounts = new FrameCounts(100);
  frameCounts.encoded(1, 105, 100);
  frameCounts.encoded(2, 205, 200);
  equal(frameCounts.answered(1, answer(100, 199), () => null), { latencyMs: 99, late: false });
  equal(frameCounts.answered(2, answer(200, 301), () => null), { latencyMs: 101, late: true });
  equal(frameCounts.counts(), { captured: 2, in_time: 1, late: 1, infeasible: 0, dropped: {}, pending: 0 });
}

export function test_an_answer_counts_once() {
  const frameCounts = new FrameCounts(100);
  frameCounts.encoded(1, 105, 100);
  ok(frameCounts.answered(1, answer(100, 150), () => null));
  equal(frameCounts.answered(1, answer(100, 150), () => null), null);
  frameCounts.settleDropped(1, "late");
  equal(frameCounts.counts().in_time, 1);
  equal(frameCounts.counts().dropped, {});
}

export function test_no_answer_is_lost_after_a_while_and_a_later_answer_is_too_late_to_count() {
  const frameCounts = new FrameCounts(100);
  frameCounts.encoded(1, 105, 100);
  frameCounts.expire(1199, () => null);
  equal(frameCounts.pending, 1);
  frameCounts.expire(1201, () => null);
  equal(frameCounts.counts().dropped, { lost: 1 });
  equal(frameCounts.answered(1, answer(100, 1300), () => null), null);
  equal(total(frameCounts.counts()), 1);
}

export function test_an_answer_waits_for_its_capture_time() {
  const frameCounts = new FrameCounts(100);
  frameCounts.encoded(1, 105, null);
  equal(frameCounts.answered(1, answer(100, 150), () => null), null);
  equal(frameCounts.pending, 1);
  frameCounts.expire(160, () => 100);
  equal(frameCounts.counts().in_time, 1);
  close(frameCounts.latency.values[0], 50);
}

export function test_legs_sum_to_the_whole() {
  const legs = legsOf(100, 107, answer(100, 190));
  equal(Object.keys(legs), [...LEGS]);
  close(Object.values(legs).reduce((a, b) => a + b, 0), 90, 1e-9);
  equal(legs.network, 3);
  equal(legsOf(100, 107, { ...answer(100, 190), offsetMs: null }), null, "clocks not matched");
}

export function test_a_network_that_alone_eats_the_objective_is_infeasible() {
  const frameCounts = new FrameCounts(20);
  frameCounts.encoded(1, 101, 100);
  const t = times(5100);
  t.received = 5125;
  frameCounts.answered(1, { handledMs: 160, t, offsetMs: 5000 }, () => null);
  equal([frameCounts.late, frameCounts.infeasible], [1, 1]);
}

export function test_counts_add_up_whatever_happens() {
  const next = random(11);
  for (let round = 0; round < 50; round += 1) {
    const frameCounts = new FrameCounts(100);
    let now = 0;
    for (let i = 0; i < 400; i += 1) {
      now += 20;
      const rtp = Math.floor(next() * 300);
      const what = next();
      if (what < 0.45) frameCounts.encoded(rtp, now, next() < 0.9 ? now - 5 : null);
      else if (what < 0.7) frameCounts.answered(rtp, answer(now - 50, now), () => (next() < 0.5 ? now - 50 : null));
      else if (what < 0.8) frameCounts.settleDropped(rtp, ["late", "superseded"][Math.floor(next() * 2)], next() < 0.2);
      else if (what < 0.85) frameCounts.skipped("paced", Math.floor(next() * 3));
      else if (what < 0.95) frameCounts.expire(now, () => null);
      else if (what < 0.96) frameCounts.close("lost");
      equal(total(frameCounts.counts()), frameCounts.captured);
      ok(frameCounts.pending <= 512);
    }
    frameCounts.close("stopped");
    equal(frameCounts.pending, 0);
    equal(total(frameCounts.counts()), frameCounts.captured);
  }
}

export function test_open_frames_are_bounded() {
  const frameCounts = new FrameCounts(100);
  for (let i = 0; i < 2000; i += 1) frameCounts.encoded(i, i, i);
  equal(frameCounts.pending, 512);
  equal(frameCounts.counts().dropped, { lost: 2000 - 512 });
}

export function test_tables_fed_by_the_server_are_bounded() {
  const table = {};
  for (let i = 0; i < 1000; i += 1) tally(table, `name ${i}`);
  ok(Object.keys(table).length <= 201);
  equal(Object.values(table).reduce((a, b) => a + b, 0), 1000);
}

export function test_quantiles() {
  equal(quantile([], 0.5), null);
  equal(quantile([3], 0.99), 3);
  close(quantile([0, 10], 0.5), 5);
  const samples = new Samples(10);
  for (let i = 0; i < 25; i += 1) samples.add(i, i);
  equal([samples.size, samples.total], [10, 25]);
  equal(samples.summary().p50, 19.5);
  equal(samples.summary(24).n, 1);
}

export function test_the_share_in_time_leaves_out_what_was_left_out_on_request() {
  const at = (in_time, late, dropped) => ({ in_time, late, dropped });
  equal(shareInTime(at(0, 0, { paced: 5 })), null);
  close(shareInTime(at(8, 1, { late: 1 })), 0.8, 1e-9, "late answers and frames too late to begin:");
  close(shareInTime(at(8, 1, { paced: 50, lost: 1 })), 0.8);
  close(shareInTime(at(18, 1, { lost: 1 }), at(8, 1, { lost: 1 })), 1);
}
