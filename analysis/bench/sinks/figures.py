"""What became of the events of each sink, and of the publishers' frames meanwhile. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.bench.report import Promise

MAX_RISE = 0.005  # of the share of frames missed, from no sinks to dead receivers


@dataclass(frozen=True, slots=True)
class Phase:
    """Frames that were captured in it and sent, those not answered in time, their latency (ms), and
    the share of a core that the server's own process took."""

    name: str
    seconds: float
    frames: int
    missed: int
    p50_ms: float
    p99_ms: float
    core_share: float
    why: dict[str, int]

    @property
    def share(self) -> float:
        return self.missed / self.frames if self.frames else 0.0


class Receipt:
    """What a receiver has got: numbers of events, and how many it was told are lost."""

    def __init__(self) -> None:
        self._numbers: Counter[str] = Counter()
        self.told = 0

    @property
    def arrived(self) -> int:
        """Different events."""
        return len(self._numbers)

    @property
    def twice(self) -> int:
        """Copies of events that had arrived."""
        return self._numbers.total() - len(self._numbers)

    def take(self, message: Mapping[str, Any]) -> None:
        """An event, a gap, or a webhook's batch."""
        self.told += message.get("dropped", 0)
        if "event" in message:
            self._numbers[message["event"]] += 1
        for event in message.get("events", ()):
            self._numbers[event["event"]] += 1


@dataclass(frozen=True, slots=True)
class SinkOutcome:
    """The server's counts of a sink, and its receiver's."""

    name: str
    sent: int
    lost: int
    failures: int
    arrived: int
    twice: int
    told: int

    @classmethod
    def of(cls, shown: Mapping[str, Any], receipt: Receipt) -> SinkOutcome:
        """`shown`: the sink in `GET /api/sinks`, once nothing waits."""
        counts = (shown["sent"], shown["lost"], shown["failures"])
        return cls(shown["name"], *counts, receipt.arrived, receipt.twice, receipt.told)

    @property
    def events(self) -> int:
        return self.sent + self.lost


def promises(
    outcomes: Sequence[SinkOutcome], phases: Sequence[Phase], events: int
) -> Iterator[Promise]:
    """`events`: that each sink should have had at least."""
    counts = sorted({each.events for each in outcomes})
    yield Promise(
        f"every sink had the same events, at least {events:,}",
        len(counts) == 1 and counts[0] >= events,
        ", ".join(f"{count:,}" for count in counts),
    )
    for each in outcomes:
        yield Promise(
            f"{each.name}: the receiver was told of every event that was lost",
            each.told == each.lost,
            f"{each.lost:,} lost, {each.told:,} told",
        )
        missing = each.events - each.arrived - each.told
        # A broker that is killed takes with it what it had confirmed and not passed on.
        yield Promise(
            f"{each.name}: every other event arrived",
            None if each.name == "mqtt" and missing > 0 else missing == 0,
            f"{each.arrived:,} of {each.events - each.lost:,}, {each.twice:,} of them twice",
        )
    without, dead = _missed(phases, "without"), _missed(phases, "dead")
    yield Promise(
        f"dead receivers raise the share of frames missed by no more than {MAX_RISE:.1%}",
        dead <= without + MAX_RISE,
        f"{dead:.2%}, and {without:.2%} without sinks",
    )


def _missed(phases: Iterable[Phase], name: str) -> float:
    """The share of frames missed in all phases whose names begin so."""
    chosen = [phase for phase in phases if phase.name.startswith(name)]
    frames = sum(phase.frames for phase in chosen)
    return sum(phase.missed for phase in chosen) / frames if frames else 0.0
