"""Which ingest process takes the next session. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NEWCOMER = 0.03  # of a core, that a session is taken for where none was measured
ALIKE = 0.1  # of a core: differences below are noise, and numbers of sessions decide


@dataclass(frozen=True, slots=True)
class Busyness:
    """One process: its share of a core as last measured, its sessions, and how many of those have
    come since."""

    busy: float
    sessions: int
    newcomers: int

    @property
    def expected(self) -> float:
        """Its share of a core once all its sessions send."""
        measured = self.sessions - self.newcomers
        each = self.busy / measured if measured > 0 else NEWCOMER
        return self.busy + self.newcomers * max(each, NEWCOMER)


def least_busy(candidates: Sequence[Busyness]) -> int:
    """The index of the one to take; of those about alike the one with the fewest sessions."""
    least = min(each.expected for each in candidates)
    alike = [i for i, each in enumerate(candidates) if each.expected <= least + ALIKE]
    return min(alike, key=lambda i: (candidates[i].sessions, candidates[i].expected))
