"""Whether ours keeps what it promises, cell by cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.simulator.results import RunResult

OURS = "ours"
MOST_MISSED = 0.001  # of ours' feasible frames
RIVALS_MISS = 0.01  # a policy that misses more of its feasible frames is no rival
SAME = 0.001  # of F1, less than that is no difference


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was promised, in how many cells it holds, and what there is to say of the others."""

    promise: str
    kept: int
    cells: int
    broken: tuple[str, ...]


def judge(rows: Sequence[RunResult]) -> list[Verdict]:
    """The promises, checked on each cell that ours ran in; none where it didn't."""
    ours = [row for row in rows if row.policy == OURS]
    if not ours:
        return []
    missing = [_missing(row) for row in ours]
    beaten = [_beaten(row, [r for r in rows if r.cell == row.cell]) for row in ours]
    return [
        _verdict(f"ours misses at most {MOST_MISSED:.1%} of feasible frames", missing),
        _verdict(
            f"F1 of ours is at least that of each policy that misses under {RIVALS_MISS:.0%}"
            f" (to {SAME:g})",
            beaten,
        ),
    ]


def _verdict(promise: str, faults: Iterable[str]) -> Verdict:
    faults = list(faults)
    broken = tuple(fault for fault in faults if fault)
    return Verdict(promise, len(faults) - len(broken), len(faults), broken)


def _missing(row: RunResult) -> str:
    if row.miss_rate <= MOST_MISSED:
        return ""
    reasons = {
        name: getattr(row, f"miss_{name}")
        for name in ("late", "hopeless", "superseded", "overload", "no_plan")
    }
    said = ", ".join(f"{count} {name}" for name, count in reasons.items() if count)
    return f"{row.cell_name}: {row.miss_rate:.2%} of {row.feasible} ({said})"


def _beaten(row: RunResult, cell: Sequence[RunResult]) -> str:
    rivals = [r for r in cell if r.policy != OURS and r.miss_rate < RIVALS_MISS]
    best = max(rivals, key=lambda r: r.f1, default=None)
    if best is None or row.f1 >= best.f1 - SAME:
        return ""
    return (
        f"{row.cell_name}: {row.f1:.4f} against {best.f1:.4f} of {best.policy}"
        f" (which misses {best.miss_rate:.2%}, ours {row.miss_rate:.2%})"
    )
