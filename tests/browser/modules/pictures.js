import { CaptureMap, RtpUnwrapper } from "/static/js/client/frames/capture-map.js";
import { PictureRing, ringCapacity } from "/static/js/client/drawing/picture-ring.js";
import { SlipCorrector } from "/static/js/client/drawing/pictures.js";
import { close, equal, ok, random } from "./check.js";

/**
 * Plays a source and an encoder to a map: pictures every 1/fps with some jitter, each leaving the encoder some time later.
 *
 * @returns {{map: CaptureMap, wrong: number, unknown: number, judged: number}} judged frames: those asked about right
 *   after they were encoded, as results come
 */
function play({ fps = 15, n = 300, jitterMs = 0.5, encodeMs = () => 5, start = 123456789, lateMs = () => 1, seen = () => true, sent = () => true, presented = false, map = new CaptureMap() }) {
  const events = [];
  let [shown, left] = [0, 0]; // neither overtakes its predecessor
  for (let i = 0; i < n; i += 1) {
    const stamp = 5000 + (i * 1000) / fps + jitterMs * Math.sin(i * 1.7);
    shown = Math.max(shown + 0.1, stamp + lateMs(i));
    left = Math.max(left + 0.1, stamp + encodeMs(i));
    if (seen(i)) events.push({ at: shown, kind: "captured", stamp });
    // An encoder's timestamps are whole milliseconds times 90.
    if (sent(i)) events.push({ at: left, kind: "encoded", rtp: (start + 90 * Math.round(stamp)) % 2 ** 32, stamp });
  }
  events.sort((a, b) => a.at - b.at);
  let wrong = 0;
  let unknown = 0;
  let judged = 0;
  for (const event of events) {
    if (event.kind === "captured") {
      map.captured(event.stamp, event.at, presented);
      continue;
    }
    map.encoded(event.rtp, event.at);
    const stamp = map.stampOf(event.rtp);
    judged += 1;
    if (stamp === null) unknown += 1;
    else if (Math.abs(stamp - event.stamp) > map.toleranceMs) wrong += 1;
  }
  return { map, wrong, unknown, judged };
}

export function test_a_steady_source_is_matched() {
  for (const fps of [5, 10, 15, 25, 30, 60]) {
    const { wrong, unknown } = play({ fps });
    equal(wrong, 0, `${fps} fps:`);
    ok(unknown < 10, `${fps} fps: ${unknown} unknown`);
  }
}

export function test_a_slow_start_of_the_encoder_shifts_nothing() {
  const { wrong } = play({ fps: 30, encodeMs: (i) => (i < 4 ? 60 - 10 * i : 8) });
  equal(wrong, 0);
}

export function test_spikes_later_on_shift_nothing() {
  const next = random(7);
  const { wrong } = play({ fps: 30, n: 900, encodeMs: (i) => 6 + (i > 60 ? 200 * next() ** 3 : 0) });
  equal(wrong, 0);
}

export function test_minutes_of_slow_encoding_shift_nothing_once_locked() {
  const { wrong } = play({ fps: 30, n: 3000, encodeMs: (i) => (i < 100 ? 6 : 45) });
  equal(wrong, 0);
}

export function test_rtp_timestamps_wrap() {
  const { wrong, unknown } = play({ n: 600, start: 2 ** 32 - 90 * 10000 });
  equal(wrong, 0);
  ok(unknown < 10);
}

export function test_pictures_that_the_page_missed_shift_nothing() {
  const next = random(3);
  const { wrong } = play({ fps: 30, n: 600, seen: () => next() > 0.3 });
  equal(wrong, 0);
}

export function test_pictures_that_the_encoder_left_out_shift_nothing() {
  const next = random(4);
  const { wrong } = play({ fps: 30, n: 600, sent: () => next() > 0.4 });
  equal(wrong, 0);
}

export function test_every_second_picture_sent_is_matched() {
  const { wrong } = play({ fps: 30, n: 600, sent: (i) => i % 2 === 0 });
  equal(wrong, 0);
}

export function test_pictures_that_reach_the_page_late_are_matched() {
  const next = random(5);
  const { wrong } = play({ fps: 15, n: 600, lateMs: () => 1 + 40 * next() });
  equal(wrong, 0);
}

export function test_a_jittery_source_is_matched() {
  const { wrong } = play({ fps: 15, n: 600, jitterMs: 9 });
  equal(wrong, 0);
}

export function test_presented_pictures_that_trail_the_encoder_are_matched() {
  for (const fps of [15, 30]) {
    const next = random(fps);
    const { wrong } = play({
      fps,
      n: 600,
      presented: true,
      jitterMs: 300 / fps,
      encodeMs: () => 4 + 4 * next(),
      lateMs: (i) => 11 + 16 * next() + (i < 8 ? 60 : 0),
    });
    equal(wrong, 0, `${fps} fps:`);
  }
}

export function test_a_new_source_is_matched_after_a_reset() {
  const { map } = play({ fps: 15 });
  map.reset();
  equal(map.stampOf(5), null);
  const again = play({ fps: 30, start: 99, map });
  equal(again.wrong, 0);
  ok(again.unknown < 10);
}

export function test_a_wrong_constant_would_be_noticed() {
  // What the tests above rest on: off by one picture is beyond the tolerance.
  const { map } = play({ fps: 60 });
  ok(map.toleranceMs < 1000 / 60 / 2, String(map.toleranceMs));
}

export function test_nothing_is_said_before_there_is_evidence() {
  const map = new CaptureMap();
  for (let i = 0; i < 4; i += 1) {
    map.captured(i * 66, i * 66 + 1);
    map.encoded(i * 66 * 90, i * 66 + 5);
  }
  equal(map.stampOf(0), null);
}

export function test_the_server_can_tell_where_the_encoder_cannot() {
  const map = new CaptureMap();
  for (let i = 0; i < 50; i += 1) {
    map.captured(i * 66, 1000 + i * 66);
    map.observeCaptureTime(777 + i * 66 * 90, 1000 + i * 66 + (i % 3));
  }
  close(map.stampOf(777 + 40 * 66 * 90), 40 * 66, 5);
}

export function test_a_better_exchange_of_clocks_is_followed_within_three_frames() {
  const map = new CaptureMap();
  for (let i = 0; i < 24; i += 1) {
    map.captured(i * 66, 1000 + i * 66);
    map.observeCaptureTime(777 + i * 66 * 90, 1000 + i * 66 + (i < 20 ? 90 : 0));
  }
  close(map.stampOf(777 + 23 * 66 * 90), 23 * 66, 5);
}

export function test_lost_media_time_is_mended_and_load_is_not_taken_for_it() {
  const next = random(9);
  const corrector = new SlipCorrector();
  let lost = 0;
  for (let i = 0; i < 600; i += 1) {
    const at = i * 33;
    if (i === 200) lost = 93;
    if (i === 400) lost = 128;
    const load = i > 100 && i < 150 ? 80 * next() : 0;
    const stamp = corrector.stamp(at - lost, 2000 + at + 12 * next() + load);
    const settled = i < 200 || (i > 215 && i < 400) || i > 415;
    if (settled) close(stamp, at, 12, `picture ${i}:`);
  }
}

export function test_unwrapping_goes_both_ways() {
  const unwrapper = new RtpUnwrapper();
  equal(unwrapper.unwrap(2 ** 32 - 100), 2 ** 32 - 100);
  equal(unwrapper.unwrap(50), 2 ** 32 + 50);
  equal(unwrapper.unwrap(2 ** 32 - 200), 2 ** 32 - 200, "an older one");
  equal(unwrapper.unwrap(60), 2 ** 32 + 60);
}

function ringOf(capacity) {
  let made = 0;
  const ring = new PictureRing(capacity, () => ({ number: (made += 1) }));
  return { ring, made: () => made };
}

export function test_the_ring_is_bounded_and_the_newest_wins() {
  const { ring, made } = ringOf(4);
  for (let i = 0; i < 20; i += 1) ring.push({ stampMs: i, surface: ring.borrow() });
  equal(ring.pictures.map((p) => p.stampMs), [16, 17, 18, 19]);
  equal(made(), 4);
}

export function test_an_answer_at_the_objective_still_finds_its_picture() {
  for (const [sloMs, fps] of [[75, 15], [250, 30], [500, 30], [500, 60]]) {
    const { ring } = ringOf(ringCapacity(sloMs, fps));
    for (let at = 0; at <= sloMs; at += 1000 / fps) ring.push({ stampMs: at, surface: ring.borrow() });
    ok(ring.find(0, 1), `${sloMs} ms at ${fps} fps`);
  }
}

export function test_what_the_ring_keeps_is_bounded() {
  equal(ringCapacity(5000, 60), 48);
  for (const fps of [0, NaN, undefined, -1]) equal(ringCapacity(100, fps), 16);
}

export function test_the_ring_can_be_resized() {
  const { ring, made } = ringOf(4);
  for (let i = 0; i < 6; i += 1) ring.push({ stampMs: i, surface: ring.borrow() });
  ring.resize(2);
  equal(ring.pictures.map((p) => p.stampMs), [4, 5]);
  ring.push({ stampMs: 6, surface: ring.borrow() });
  equal(ring.pictures.map((p) => p.stampMs), [5, 6]);
  ring.clear();
  ring.resize(1);
  equal(ring.spare.length, 1);
  ring.resize(3);
  for (let i = 7; i < 12; i += 1) ring.push({ stampMs: i, surface: ring.borrow() });
  equal([ring.pictures.map((p) => p.stampMs), made()], [[9, 10, 11], 6]);
}

export function test_the_ring_finds_the_nearest_or_nothing() {
  const { ring } = ringOf(8);
  for (const stampMs of [0, 66, 133, 200]) ring.push({ stampMs, surface: ring.borrow() });
  equal(ring.find(130, 20).stampMs, 133);
  equal(ring.find(100, 20), null);
  equal(ring.find(260, 20), null);
  ring.clear();
  equal(ring.newest, null);
  equal(ring.find(133, 20), null);
}
