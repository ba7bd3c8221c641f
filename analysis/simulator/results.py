"""The results of one run, and of several as CSV (docs/formats/simulator.md)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TextIO

from analysis.simulator.components.frame import IN_TIME, FrameTally
from analysis.simulator.run import SimulationRun

REASONS = ("late", "hopeless", "superseded", "overload", "no_plan")


@dataclass(frozen=True, slots=True)
class RunResult:
    """One cell under one policy.

    captured = in_time + late + hopeless + superseded + overload + no_plan + queue, and
    captured = feasible + network + unreachable. `hopeless` frames could not have ended in time even
    on an idle device; `queue` frames were lost to a full link. The `miss_...` count feasible
    frames, `miss_rate` is their sum over `feasible`; `infeasible_share` is the share of the other
    captured frames. `f1` is over all camera frames that an oracle could have had in time, which are
    the same for every policy (a frame that was skipped, or made late by its own network time,
    counts 0); `f1_feasible` is over this policy's feasible frames.
    """

    trace: str
    clients: int
    fps: float
    slo_ms: float
    seed: int
    devices: int
    policy: str
    captured: int
    skipped: int
    unreachable: int
    network: int
    feasible: int
    in_time: int
    late: int
    hopeless: int
    superseded: int
    overload: int
    no_plan: int
    queue: int
    misses: int
    miss_late: int
    miss_hopeless: int
    miss_superseded: int
    miss_overload: int
    miss_no_plan: int
    miss_rate: float
    infeasible_share: float
    f1: float
    f1_feasible: float
    utilisation: float
    variant_changes: int
    size_changes: int
    sent_mbps: float
    p50_ms: float
    p99_ms: float

    @property
    def cell(self) -> tuple[str, int, float, float, int]:
        """The cell's values, by which results of the same cell are found."""
        return self.trace, self.clients, self.fps, self.slo_ms, self.seed

    @property
    def cell_name(self) -> str:
        """The cell as text."""
        text = f"{self.trace}, {self.clients} x {self.fps:g} fps, {self.slo_ms:g} ms"
        return text if self.seed == 1 else f"{text}, seed {self.seed}"


COLUMNS = tuple(field.name for field in fields(RunResult))


def row_of(run: SimulationRun, policy: str, tally: FrameTally) -> RunResult:
    """The result of a finished run."""
    cell, seconds = run.cell, run.experiment.seconds
    reachable = tally.captured - tally.unreachable + tally.skipped_reachable
    misses = sum(tally.misses.values())
    latencies = sorted(tally.latencies_ms)
    return RunResult(
        trace=cell.trace.label,
        clients=cell.clients,
        fps=cell.fps,
        slo_ms=cell.slo_ms,
        seed=cell.seed,
        devices=len(run.devices),
        policy=policy,
        captured=tally.captured,
        skipped=tally.skipped,
        unreachable=tally.unreachable,
        network=tally.network,
        feasible=tally.feasible,
        in_time=tally.outcomes[IN_TIME],
        late=tally.outcomes["late"],
        hopeless=tally.outcomes["hopeless"],
        superseded=tally.outcomes["superseded"],
        overload=tally.outcomes["overload"],
        no_plan=tally.outcomes["no_plan"],
        queue=tally.outcomes["queue"],
        misses=misses,
        miss_late=tally.misses["late"],
        miss_hopeless=tally.misses["hopeless"],
        miss_superseded=tally.misses["superseded"],
        miss_overload=tally.misses["overload"],
        miss_no_plan=tally.misses["no_plan"],
        miss_rate=round(misses / max(1, tally.feasible), 6),
        infeasible_share=round(1.0 - tally.feasible / max(1, tally.captured), 6),
        f1=round(tally.f1_reachable / max(1, reachable), 5),
        f1_feasible=round(tally.f1_feasible / max(1, tally.feasible), 5),
        utilisation=round(run.devices.busy_ms / len(run.devices) / seconds / 1000.0, 4),
        variant_changes=tally.variant_changes,
        size_changes=tally.size_changes,
        sent_mbps=round(tally.sent_bits / seconds / cell.clients / 1e6, 4),
        p50_ms=round(_quantile(latencies, 0.5), 2),
        p99_ms=round(_quantile(latencies, 0.99), 2),
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    """A quantile of ascending values; 0 where there are none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def write_csv(rows: Iterable[RunResult], file: TextIO) -> None:
    """Writes a header and a line for each result."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(row, name) for name in COLUMNS] for row in rows)
