"""The promises about our policy, checked cell by cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.simulator.results import RunResult

OURS = "ours"
MAX_MISSED = 0.001  # of ours' feasible frames
RIVAL_MAX_MISSED = 0.01  # a policy that misses more of its feasible frames is no rival
F1_TOLERANCE = 0.001


@dataclass(frozen=True, slots=True)
class Verdict:
    """A promise, in how many of its cells it holds, and a line for each of the others."""

    promise: str
    kept: int
    cells: int
    broken: tuple[str, ...]


def judge(rows: Sequence[RunResult]) -> list[Verdict]:
    """The promises, checked in each cell that our policy ran in; empty if it did not run."""
    ours = [row for row in rows if row.policy == OURS]
    if not ours:
        return []
    missing = [_missing(row) for row in ours]
    beaten = [_beaten(row, [r for r in rows if r.cell == row.cell]) for row in ours]
    return [
        _verdict(f"ours misses at most {MAX_MISSED:.1%} of feasible frames", missing),
        _verdict(
            f"F1 of ours is at least that of each policy that misses under {RIVAL_MAX_MISSED:.0%}"
            f" (to {F1_TOLERANCE:g})",
            beaten,
        ),
    ]


def _verdict(promise: str, faults: Iterable[str]) -> Verdict:
    faults = list(faults)
    broken = tuple(fault for fault in faults if fault)
    return Verdict(promise, len(faults) - len(broken), len(faults), broken)


def _missing(row: RunResult) -> str:
    if row.miss_rate <= MAX_MISSED:
        return ""
    reasons = {
        name: getattr(row, f"miss_{name}")
        for name in ("late", "hopeless", "superseded", "overload", "no_plan")
    }
    counts = ", ".join(f"{count} {name}" for name, count in reasons.items() if count)
    return f"{row.cell_name}: {row.miss_rate:.2%} of {row.feasible} ({counts})"


def _beaten(row: RunResult, cell: Sequence[RunResult]) -> str:
    rivals = [r for r in cell if r.policy != OURS and r.miss_rate < RIVAL_MAX_MISSED]
    best = max(rivals, key=lambda r: r.f1, default=None)
    if best is None or row.f1 >= best.f1 - F1_TOLERANCE:
        return ""
    return (
        f"{row.cell_name}: {row.f1:.4f} against {best.f1:.4f} of {best.policy}"
        f" (which misses {best.miss_rate:.2%}, ours {row.miss_rate:.2%})"
    )
