"""What holding a load comes to, minute by minute. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

MOST_GROWTH = 0.05  # of resident memory, from the first minute to the last
_CHANCE = 0.05  # a rise that comes about by chance less often than this is one


@dataclass(frozen=True, slots=True)
class Minute:
    """Frames that were captured in it and went out, those of them not answered in time, their
    latencies in ms, the server's resident memory in MB at its end, how far the publishers were
    behind their own frames at worst, in ms, and how many were missed for which reason."""

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


def promises(minutes: Sequence[Minute], refused: bool | None) -> Iterator[tuple[str, bool]]:
    """What is promised, and whether it was kept. `refused`: one more was, at the limit; None where
    the limit was not looked for."""
    if refused is not None:
        yield "the server itself refuses one session more", refused
    first, rest = minutes[0], minutes[1:]
    frames, missed = sum(each.frames for each in rest), sum(each.missed for each in rest)
    chance = _chance(first.missed, first.frames, missed, frames)
    text = (
        f"misses: {first.missed} of {first.frames:,} in the first minute, {missed} of {frames:,}"
        f" after it; at the same share, as many or more come in {chance:.2g} of all cases"
    )
    yield text, chance >= _CHANCE
    was, now = first.rss_mb, minutes[-1].rss_mb
    text = f"memory {was:.1f} MB after the first minute, {now:.1f} MB after the last"
    yield text, now <= was * (1.0 + MOST_GROWTH)


def _chance(few: int, first: int, many: int, rest: int) -> float:
    """Of this many of all misses or more among the `rest`, if all frames are alike: the exact
    binomial comparison of two counts (Przyborowski and Wilenski 1940)."""
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
