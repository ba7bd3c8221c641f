import { ClockEstimate } from "/static/js/client/clock.js";
import { encodingFor, HintApplier } from "/static/js/client/link/hint.js";
import { msText, rateText } from "/static/js/page/panel.js";
import { retryDelayMs } from "/static/js/client/retry.js";
import { reportMessage } from "/static/js/client/link/stats.js";
import { Problem } from "/static/js/client/problem.js";
import { describe, SourceProblem } from "/static/js/page/problems.js";
import { close, equal, ok, random } from "./check.js";

export function test_the_exchange_with_the_least_round_trip_tells_the_offset() {
  const clock = new ClockEstimate();
  equal(clock.best, null);
  const next = random(5);
  for (let i = 0; i < 100; i += 1) {
    const there = 2 + 80 * next() ** 4;
    const back = 2 + 80 * next() ** 4;
    const t0 = i * 1000;
    clock.add(t0, t0 + there + 7777, t0 + there + 7778, t0 + there + 1 + back);
  }
  close(clock.best.offsetMs, 7777, 3);
  ok(clock.best.rttMs < 12);
}

export function test_impossible_exchanges_are_not_believed() {
  const clock = new ClockEstimate();
  clock.add(10, 5, 50, 20); // the server held it longer than the round trip took
  clock.add(NaN, 1, 2, 3);
  clock.add(undefined, 1, 2, 3);
  equal(clock.best, null);
}

const source = { longest: 1280, fps: 30, scalesTo: true };

export function test_a_hint_becomes_encoding_parameters() {
  const encoding = encodingFor({ rid: "x", scaleResolutionDownBy: 2 }, { seq: 1, max_edge: 416, fps: 15, max_bps: 600000 }, source);
  equal(encoding, {
    rid: "x", scaleResolutionDownTo: { maxWidth: 416, maxHeight: 416 }, maxFramerate: 15, maxBitrate: 600000,
  });
}

export function test_without_scaling_to_a_size_it_is_scaled_by_a_factor() {
  const hint = { seq: 1, max_edge: 320 };
  equal(encodingFor({}, hint, { ...source, scalesTo: false }), { scaleResolutionDownBy: 4 });
  equal(encodingFor({}, hint, { ...source, longest: 200, scalesTo: false }), { scaleResolutionDownBy: 1 }, "never up");
}

export function test_a_source_no_faster_than_the_hint_is_not_limited() {
  equal(encodingFor({ maxFramerate: 10 }, { seq: 1, fps: 30 }, source), {});
  equal(encodingFor({}, { seq: 1, fps: 29 }, source), {}, "within the margin");
  equal(encodingFor({}, { seq: 1, fps: 15 }, { ...source, fps: 0 }), { maxFramerate: 15 }, "unknown rate");
}

export function test_a_hint_changes_nothing_that_it_does_not_name() {
  const before = { maxBitrate: 5, maxFramerate: 7, scaleResolutionDownBy: 2 };
  equal(encodingFor(before, { seq: 1 }, source), before);
  equal(encodingFor(before, { seq: 1, fps: "x", max_bps: null, max_edge: -3 }, source), before);
}

/** A sender that notes what each call asks for; `set` resolves as a browser's does, a moment later. */
function noting(maxBitrate) {
  const sender = { asked: [], encodings: [{ maxBitrate }] };
  sender.getParameters = () => ({ encodings: sender.encodings.map((encoding) => ({ ...encoding })) });
  sender.setParameters = async ({ encodings }) => {
    await null;
    sender.encodings = encodings;
    sender.asked.push(encodings[0].maxBitrate);
  };
  return sender;
}

function hintsTo(sender) {
  const applied = [];
  const camera = { track: { getSettings: () => ({ width: 640, height: 360, frameRate: 30 }) }, };
  return { hints: new HintApplier(sender, camera, (seq) => applied.push(seq)), applied };
}

export async function test_a_cut_first_takes_from_the_encoder_what_it_has_saved() {
  const sender = noting(1_200_000);
  const { hints, applied } = hintsTo(sender);
  await hints.apply({ seq: 1, max_bps: 800_000 });
  equal(sender.asked, [400_000, 800_000], "from what was set before any hint");
  await hints.apply({ seq: 2, max_bps: 600_000 });
  equal([sender.asked.slice(2), applied], [[300_000, 600_000], [1, 2]]);
}

export async function test_more_bits_or_as_many_are_asked_for_at_once() {
  const sender = noting(600_000);
  const { hints } = hintsTo(sender);
  await hints.apply({ seq: 1, max_bps: 600_000 });
  await hints.apply({ seq: 2, max_bps: 900_000 });
  await hints.apply({ seq: 3, fps: 15 });
  equal(sender.asked, [600_000, 900_000, 900_000]);
}

export async function test_a_cut_in_the_middle_of_a_cut_replaces_it() {
  const sender = noting(1_200_000);
  const { hints, applied } = hintsTo(sender);
  const first = hints.apply({ seq: 1, max_bps: 1_000_000 });
  hints.apply({ seq: 2, max_bps: 600_000 });
  await first;
  equal([sender.asked, applied], [[500_000, 300_000, 600_000], [2]]);
}

export function test_retries_come_slower_and_not_all_at_once() {
  equal([1, 2, 3, 4, 5, 9].map((n) => retryDelayMs(n, 0.5)), [500, 1000, 2000, 4000, 8000, 8000]);
  ok(retryDelayMs(1, 0) < retryDelayMs(1, 1));
}

export function test_a_report_holds_only_what_is_known() {
  const stats = { availableBps: null, rttMs: 3, sentBps: 1, width: 640, height: null, fps: 15, qp: null, encodeMs: 2 };
  equal(reportMessage(stats, { n: 0, late: 0, p50: null, p99: null }, { p50: null, p99: null }), {
    type: "report", rtt_ms: 3, width: 640, fps: 15, encode_ms: 2, shown: { n: 0, late: 0 },
  });
  const full = reportMessage(stats, { n: 7, late: 1, p50: 50, p99: 90 }, { p50: 2, p99: 4 });
  equal([full.shown, full.back_ms], [{ n: 7, late: 1, p50_ms: 50, p99_ms: 90 }, { p50: 2, p99: 4 }]);
  const early = reportMessage(stats, { n: 1, late: 0, p50: 5, p99: 5 }, { p50: -0.4, p99: 0.2 });
  equal(early.back_ms, { p50: 0, p99: 0.2 });
}

export function test_figures_read_well() {
  equal([rateText(null), rateText(640_400), rateText(999_600), rateText(4_230_000), rateText(54e6)],
    ["–", "640 kbit/s", "1.0 Mbit/s", "4.2 Mbit/s", "54 Mbit/s"]);
  equal([msText(undefined), msText(3.14), msText(42.4)], ["–", "3.1", "42"]);
}

export function test_every_problem_has_words() {
  const sources = ["insecure", "camera_refused", "camera_absent", "camera_busy", "camera_failed", "sample_failed"];
  const links = ["unsupported", "track_ended", "full", "not_ready", "draining", "token", "unreachable", "refused", "no_path",
    "link_lost", "ended", "replaced"];
  for (const problem of [...sources.map((code) => new SourceProblem(code)), ...links.map((code) => new Problem(code))]) {
    const { code, title, text } = describe(problem);
    ok(title && text, code);
  }
  equal(describe(new TypeError("boo")).detail, "boo");
}
