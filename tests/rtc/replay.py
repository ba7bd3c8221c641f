"""Rate control over whole traces, SIMULATED: the effect of a change to a controller, in seconds.

python -m tests.rtc.replay [--trace FILE ...] [--caps 1.2,4] [--crossing 24,30,36]

Each cell is that of `python -m analysis bench rate`, through `tests/rtc/rate_loop.py` instead of a
browser and a link: late frames of the feasible ones over 100 ms, and the mean bitrate, over three
seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from analysis.bench.rate import figures
from analysis.simulator.event_queue import EventQueue
from tests.rtc.rate_loop import RateLoop
from tests.rtc.simlink import Bottleneck
from traces import Trace, read, shipped

LEAD_MS, SETTLE_MS = 10_000.0, 1_500.0
SEEDS = (3, 4, 5)


def replay(
    trace: Trace, cap_bps: float, crossing_ms: float, seconds: float, seed: int
) -> figures.RateFigures:
    """One run from ten seconds into the trace on, at 15 frames a second."""
    events = EventQueue()
    link = Bottleneck(events, trace, delay_ms=0.5)
    begin_ms, end_ms = LEAD_MS, LEAD_MS + 1000.0 * seconds
    loop = RateLoop(
        events,
        link,
        cap_bps=cap_bps,
        crossing_ms=crossing_ms,
        starts_ms=begin_ms - SETTLE_MS,
        back_ms=1.5,
        seed=seed,
    )
    events.run(end_ms + 3_000.0)
    frames = [
        figures.FrameTiming(frame.encoded_ms, frame.bits, frame.network_ms)
        for frame in loop.frames
        if begin_ms <= frame.encoded_ms < end_ms
    ]
    return figures.summarise(frames, trace, loop.fps, seconds)


def main() -> None:
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tests.rtc.replay", description=about)
    parser.add_argument("--trace", type=Path, nargs="+", help="default: lte, nr, wifi")
    parser.add_argument("--caps", type=_numbers, default=[1.2, 4.0], metavar="MBPS,...")
    parser.add_argument("--crossing", type=_numbers, default=[30.0], metavar="MS,...")
    parser.add_argument("--seconds", type=float, default=40.0)
    options = parser.parse_args()
    traces = [read(file) for file in options.trace or ()]
    traces = traces or [shipped(name) for name in ("lte", "nr", "wifi")]
    print("trace, cap in Mbit/s: % late / kbit/s, by ms for a frame to cross:", options.crossing)
    sums = [[0.0, 0.0] for _ in options.crossing]
    cells = [(trace, cap) for trace in traces for cap in options.caps]
    for trace, cap in cells:
        texts = []
        for place, crossing_ms in enumerate(options.crossing):
            late, bps = _mean(
                [replay(trace, 1e6 * cap, crossing_ms, options.seconds, seed) for seed in SEEDS]
            )
            sums[place][0] += late / len(cells)
            sums[place][1] += bps / len(cells)
            texts.append(_shown(late, bps))
        print(f"{trace.name}, {cap:g}: {', '.join(texts)}")
    print(f"mean: {', '.join(_shown(late, bps) for late, bps in sums)}")


def _mean(found: Sequence[figures.RateFigures]) -> tuple[float, float]:
    late = sum(each.late_feasible[1] for each in found) / len(found)
    return late, sum(each.bps for each in found) / len(found)


def _shown(late: float, bps: float) -> str:
    return f"{100.0 * late:.2f} / {bps / 1e3:.0f}"


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
