"""A load over several minutes: its figures by the minute, and the promises about them. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from analysis.bench.report import Promise

MAX_GROWTH = 0.05  # of resident memory, from the first minute to the last
_CHANCE = 0.05  # a rise less probable than this is not chance


@dataclass(frozen=True, slots=True)
class Minute:
    """Frames that were captured in this minute and sent, those of them not answered in time, their
    latencies (ms), the server's resident memory at its end (MB), the publishers' largest lag behind
    their own clip (ms), and misses by reason."""

    frames: int
    missed: int
    p50_ms: float
    p99_ms: float
    rss_mb: float
    lag_ms: float
    why: dict[str, int] = field(default_factory=dict)

    @property
    def share(self) -> float:
        return self.missed / self.frames if self.frames else 0.0


def promises(minutes: Sequence[Minute], refused: bool | None) -> Iterator[Promise]:
    """Misses and memory do not rise after the first minute. `refused`: whether the server refused
    one session more than it holds; None if that limit was not searched for."""
    if refused is not None:
        yield Promise("the server itself refuses one session more", refused)
    first, rest = minutes[0], minutes[1:]
    frames, missed = sum(each.frames for each in rest), sum(each.missed for each in rest)
    chance = _probability(first.missed, first.frames, missed, frames)
    text = (
        f"misses: {first.missed} of {first.frames:,} in the first minute, {missed} of {frames:,}"
        f" after it; at the same share, as many or more come in {chance:.2g} of all cases"
    )
    yield Promise(text, chance >= _CHANCE)
    was, now = first.rss_mb, minutes[-1].rss_mb
    text = f"memory {was:.1f} MB after the first minute, {now:.1f} MB after the last"
    yield Promise(text, now <= was * (1.0 + MAX_GROWTH))


def _probability(few: int, first: int, many: int, rest: int) -> float:
    """Probability that so many of all misses, or more, fall among the `rest` if all frames are
    alike: the exact binomial comparison of two counts (Przyborowski and Wilenski 1940)."""
    total = few + many
    if not first or not rest or not total:
        return 1.0
    share = rest / (first + rest)
    logs = (
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
        + k * math.log(share) + (total - k) * math.log1p(-share)
        for k in range(many, total + 1)
    )  # fmt: skip
    return min(1.0, math.fsum(map(math.exp, logs)))
