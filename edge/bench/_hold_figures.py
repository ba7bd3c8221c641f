"""What holding a load comes to, minute by minute. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

MOST_GROWTH = 0.05  # of resident memory, from the first minute to the last
_SIGMAS = 3.0  # that misses may lie above what their share at the start would make


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
        yield "one session more is refused, before anybody's frames are missed", refused
    first, rest = minutes[0], minutes[1:]
    frames, missed = sum(each.frames for each in rest), sum(each.missed for each in rest)
    expected = first.share * frames
    most = expected + _SIGMAS * math.sqrt(expected)
    text = (
        f"misses after the first minute: {missed} of {frames:,};"
        f" at its share ({first.share:.2%}) there would be {expected:.0f}, give or take"
    )
    yield text, missed <= most
    was, now = first.rss_mb, minutes[-1].rss_mb
    text = f"memory {was:.1f} MB after the first minute, {now:.1f} MB after the last"
    yield text, now <= was * (1.0 + MOST_GROWTH)
