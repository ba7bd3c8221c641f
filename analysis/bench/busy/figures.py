"""One phone beside other programs, and what a server admits from start to start. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.bench.report import Promise

LEAST_TRIED, LEAST_IN_TIME = 2.0 / 3.0, 0.5  # of the captured frames, beside most loops
LIGHT_IN_TIME = 0.95  # the same beside up to four


@dataclass(frozen=True, slots=True)
class BusyDemo:
    """Frames of the demo beside so many busy loops: captured, answered, those in time, dropped by
    reason, and the latency of the answers (ms)."""

    loops: int
    captured: int
    answered: int
    in_time: int
    dropped: dict[str, int]
    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, loops: int, summary: Mapping[str, Any]) -> BusyDemo:
        """From the summary that `edge demo --json` writes."""
        latency = summary["latency_ms"]
        return cls(
            loops,
            captured=summary["captured"],
            answered=summary["in_time"] + summary["late"],
            in_time=summary["in_time"],
            dropped=dict(summary["dropped"]),
            p50_ms=latency["p50"],
            p99_ms=latency["p99"],
        )


def promises(demos: Sequence[BusyDemo], admitted: Sequence[int]) -> Iterator[Promise]:
    """Beside other programs frames are still tried, and the same machine admits the same number."""
    for each in demos:
        tried, in_time = each.answered / each.captured, each.in_time / each.captured
        text = (
            f"{tried:.0%} of the frames tried and {in_time:.0%} in time beside {each.loops} loops"
        )
        if each.loops <= 4:
            yield Promise(text, in_time >= LIGHT_IN_TIME)
        else:
            yield Promise(text, tried >= LEAST_TRIED and in_time >= LEAST_IN_TIME)
    if admitted:
        text = f"the same number admitted in each start: {', '.join(map(str, admitted))}"
        yield Promise(text, len(set(admitted)) == 1)
