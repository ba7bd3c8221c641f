"""One camera frame on its way, and the counts that each must end in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

IN_TIME, LATE = "in_time", "late"


@dataclass(slots=True)
class SimulatedFrame:
    """Times in simulated ms; `edge` is the longest of the picture as sent, `bps` and `fps` what its
    stream's quality is worth. `reachable`: an oracle sending its least could have had it in time.
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
class Tally:
    """What became of the frames of all clients of one run.

    Each captured frame is in `fates` once: in_time, late, or a drop's reason. Beside that each
    belongs to one class: `unreachable` (no server and no sender could have had it in time),
    `network` (reachable, but its own time on the network left less than the
    fastest answer takes), or `feasible`; `misses` has
    the fates of the feasible ones that were not in time. `skipped` are camera frames that the
    encoder left out because it was asked for a lower rate.
    """

    captured: int = 0
    skipped: int = 0
    skipped_reachable: int = 0
    unreachable: int = 0
    network: int = 0
    feasible: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    misses: Counter[str] = field(default_factory=Counter)
    f1_reachable: float = 0.0
    f1_feasible: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    sent_bits: float = 0.0
    variant_changes: int = 0
    size_changes: int = 0

    def end(self, frame: SimulatedFrame, fate: str, f1: float, *, hopeless: bool) -> None:
        """A frame's end; `hopeless`: the network alone made it so. `f1` is that of one in time."""
        self.fates[fate] += 1
        in_time = fate == IN_TIME
        if not frame.reachable:
            self.unreachable += 1
            return
        self.f1_reachable += f1
        if hopeless and not in_time:
            self.network += 1
            return
        self.feasible += 1
        self.f1_feasible += f1
        if not in_time:
            self.misses[fate] += 1
