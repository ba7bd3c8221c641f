import { Placement } from "/static/js/client/frames/placement.js";
import { equal } from "./check.js";

/** A map that is known from the start, or not yet: an RTP timestamp is its picture's stamp and an offset. */
const mapOf = (offset) => ({ toleranceMs: 2, offset, stampOf(rtp) { return this.offset === null ? null : rtp - this.offset; } });

function placementOf(map) {
  const seen = { placed: [], skipped: [] };
  const placement = new Placement(
    map, (rtp, stamp) => seen.placed.push([rtp, stamp]), (stamps) => seen.skipped.push(...stamps),
  );
  return { placement, seen };
}

export function test_pictures_between_two_frames_were_left_out() {
  const { placement, seen } = placementOf(mapOf(1000));
  for (const stamp of [0, 66, 133, 200]) placement.captured(stamp);
  placement.encoded(1000);
  placement.encoded(1200);
  equal(seen, { placed: [[1000, 0], [1200, 200]], skipped: [66, 133] });
}

export function test_frames_wait_until_the_map_is_known() {
  const map = mapOf(null);
  const { placement, seen } = placementOf(map);
  for (const stamp of [0, 66, 133]) placement.captured(stamp);
  placement.encoded(1000);
  placement.encoded(1133);
  equal(seen.placed, []);
  map.offset = 1000;
  placement.place();
  equal(seen, { placed: [[1000, 0], [1133, 133]], skipped: [66] });
}

export function test_one_goes_on_where_another_ends() {
  const { placement: old, seen: before } = placementOf(mapOf(1000));
  const { placement: next, seen: after } = placementOf(mapOf(5000));
  for (const stamp of [0, 66, 133, 200, 266]) old.captured(stamp);
  for (const stamp of [133, 200, 266]) next.captured(stamp); // it began later
  old.encoded(1000);
  next.takeOver(old);
  next.encoded(5266);
  equal(before.placed, [[1000, 0]]);
  equal(after, { placed: [[5266, 266]], skipped: [66, 133, 200] }); // each picture once
}
