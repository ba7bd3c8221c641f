import { Journal } from "/static/js/client/frames/journal.js";
import { FrameCounts } from "/static/js/client/frames/frame-counts.js";
import { equal } from "./check.js";

const frame = (rtp, leftMs) => ({ rtp, leftMs, bytes: 900, key: false, width: 320, height: 180 });
const answer = (handledMs) => ({ handledMs, t: { received: 1 }, offsetMs: null });

/** A frameCounts and its journal after four frames: in time, late, dropped, and left out by the encoder. */
function both(journal = new Journal()) {
  const frameCounts = new FrameCounts(100, journal);
  for (const rtp of [1, 2, 3]) {
    journal.encoded(frame(rtp, 100 * rtp + 5));
    frameCounts.encoded(rtp, 100 * rtp + 5, 100 * rtp);
    journal.placed(rtp, 7000 + 100 * rtp);
  }
  frameCounts.skipped("encoder", 1);
  journal.skipped(7400, 400, "encoder");
  journal.answered(1, { rtp: 1, variant: "a" });
  frameCounts.answered(1, answer(150), () => null);
  frameCounts.answered(2, answer(350), () => null);
  journal.answered(3, { rtp: 3, variant: "a" }); // came, but the frame was dropped before it was handled
  frameCounts.settleDropped(3, "late", true);
  return { frameCounts, journal };
}

export function test_each_count_has_its_line() {
  const { frameCounts, journal } = both();
  const { lines } = journal.take();
  equal(lines.map((line) => line.outcome), ["in_time", "late", "hopeless", "encoder"]);
  equal(lines.length, frameCounts.counts().captured);
  equal(lines.map((line) => line.stampMs), [7100, 7200, 7300, 7400]);
  equal(lines.map((line) => line.captureMs), [100, 200, 300, 400]);
  equal(lines.map((line) => line.infeasible), [false, false, true, false]);
  equal(lines.map((line) => line.returnedMs), [150, 350, null, null]);
  equal(lines.map((line) => line.answer?.variant ?? null), ["a", null, null, null]);
}

export function test_lines_beyond_the_most_are_counted() {
  const { journal } = both(new Journal(2));
  equal([journal.take().lines.length, journal.take().beyond], [2, 2]);
}
