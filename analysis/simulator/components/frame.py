"""One camera frame, and the counts of what becomes of all frames."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

IN_TIME, LATE = "in_time", "late"


@dataclass(slots=True)
class SimulatedFrame:
    """A frame of one client. Times are simulated ms; `long_side` is that of the picture as sent,
    `bps` and `fps` are those that its quality corresponds to. `reachable`: an oracle that sends the
    least possible could have had it answered in time.
    """

    client: int
    number: int
    captured_ms: float
    long_side: int
    bps: float
    fps: float
    reachable: bool
    received_ms: float = 0.0
    ready_ms: float = 0.0

    @property
    def network_ms(self) -> float:
        """From capture to the last packet."""
        return self.received_ms - self.captured_ms


@dataclass(slots=True)
class FrameTally:
    """Counts over all clients' frames of one run.

    Each captured frame is in `outcomes` once: in_time, late, or a drop's reason. Besides, each
    belongs to one class: `unreachable` (no server and no sender could have had it in time),
    `network` (reachable, but its own time on the network left less than the fastest answer takes),
    or `feasible`; `misses` has the outcomes of the feasible frames that were not in time. `skipped`
    are camera frames that the encoder left out because a lower frame rate was asked for.
    """

    captured: int = 0
    skipped: int = 0
    skipped_reachable: int = 0
    unreachable: int = 0
    network: int = 0
    feasible: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    misses: Counter[str] = field(default_factory=Counter)
    f1_reachable: float = 0.0
    f1_feasible: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    sent_bits: float = 0.0
    variant_changes: int = 0
    size_changes: int = 0

    def count(self, frame: SimulatedFrame, outcome: str, f1: float, *, infeasible: bool) -> None:
        """Counts a frame that has ended. `infeasible`: its time on the network alone was too long.
        `f1` is 0 unless it was in time."""
        self.outcomes[outcome] += 1
        in_time = outcome == IN_TIME
        if not frame.reachable:
            self.unreachable += 1
            return
        self.f1_reachable += f1
        if infeasible and not in_time:
            self.network += 1
            return
        self.feasible += 1
        self.f1_feasible += f1
        if not in_time:
            self.misses[outcome] += 1
