"""What `analysis bench scheduler` does."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, field
from statistics import mean, median

from rich.console import Console
from rich.progress import track
from rich.table import Table

from analysis.bench.report import Promise
from analysis.bench.scheduler import problems
from edge.profile.latency_file import load_latency_profile
from edge.scheduling.capacity_rules import Rule
from edge.scheduling.plan import Plan
from edge.scheduling.plan_check import violations
from edge.scheduling.problem import Problem
from edge.scheduling.solvers import Algorithm, prepare, solve

SIZES = ((2, 8), (2, 20), (4, 16), (4, 24), (4, 40), (8, 32), (8, 48), (8, 80), (16, 64), (16, 160))
SHARED_SIZES = ((1, 5), (1, 10), (2, 10), (2, 20), (4, 20), (4, 40))
PROOFS_UP_TO = 8 * 48  # GPUs x clients; beyond, a proof takes minutes
MIN_MEAN, MIN_QUALITY = 0.9999, 0.999  # of auto's accuracy, against a proved optimum
MIN_SPEEDUP, SPEEDUP_AT = 20.0, (8, 48)  # over sa-dp
MAX_MS, MAX_MS_AT = 200.0, (16, 160)
_SAME = 1e-9


@dataclass(slots=True)
class SolverResult:
    """Of one size under rule `single`; qualities are shares of the proved optimum's accuracy."""

    gpus: int
    clients: int
    problems: int = 0
    proved: int = 0
    sa_dp_quality: list[float] = field(default_factory=list)
    auto_quality: list[float] = field(default_factory=list)
    sa_dp_ms: list[float] = field(default_factory=list)
    auto_ms: list[float] = field(default_factory=list)
    worse_than_sa_dp: int = 0

    @property
    def speedup(self) -> float:
        """Median of the pairs' ratios."""
        return median(a / b for a, b in zip(self.sa_dp_ms, self.auto_ms, strict=True))


@dataclass(slots=True)
class Gain:
    """Of one size: accuracy under `shared` over that under `single`, less 1; and time in ms."""

    gpus: int
    clients: int
    gains: list[float] = field(default_factory=list)
    more_served: int = 0
    worse: int = 0
    shared_ms: list[float] = field(default_factory=list)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when every promise was kept, 1 otherwise."""
    console, progress = Console(), Console(stderr=True)
    networks = problems.variants(load_latency_profile(problems.PROFILE))
    count = options.problems or (3 if options.quick else 20)
    prepare("auto")
    solve(problems.draw(networks, 2, 8, 0), "exact", "single")  # everything is loaded once
    rows = []
    for gpus, clients in SIZES:
        row = SolverResult(gpus, clients)
        label = f"{gpus} GPUs, {clients} clients"
        for seed in track(range(count), label, console=progress, transient=True):
            proof_s = options.exact_s if gpus * clients <= PROOFS_UP_TO else 0.0
            _compare(row, problems.draw(networks, gpus, clients, seed), proof_s)
        rows.append(row)
    console.print(_table(rows))
    gains = []
    for gpus, clients in SHARED_SIZES:
        gain = Gain(gpus, clients)
        label = f"shared: {gpus} GPUs, {clients} clients"
        for seed in track(range(count), label, console=progress, transient=True):
            _share(gain, problems.draw(networks, gpus, clients, seed))
        gains.append(gain)
    console.print(_gains_table(gains))
    promises = _judge(rows, gains)
    for promise in promises:
        word = {True: "kept", False: "BROKEN", None: "not judged here"}[promise.kept]
        console.print(f"{word}: {promise.name} ({promise.found})", soft_wrap=True)
    if options.json:
        figures = {
            "problems": count,
            "single": [{**asdict(row), "speedup": row.speedup} for row in rows],
            "shared": [asdict(gain) for gain in gains],
            "promises": [asdict(promise) for promise in promises],
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if any(promise.kept is False for promise in promises) else 0


def _timed(problem: Problem, algorithm: Algorithm, rule: Rule) -> tuple[Plan, float]:
    """(plan, milliseconds); raises AssertionError for a plan that breaks the rule."""
    start = time.perf_counter()
    plan = solve(problem, algorithm, rule)
    took_ms = (time.perf_counter() - start) * 1e3
    broken = violations(problem, plan, rule)
    assert not broken, broken
    return plan, took_ms


def _compare(row: SolverResult, problem: Problem, proof_s: float) -> None:
    sa_dp, sa_dp_ms = _timed(problem, "sa-dp", "single")
    auto, auto_ms = _timed(problem, "auto", "single")
    row.problems += 1
    row.sa_dp_ms.append(sa_dp_ms)
    row.auto_ms.append(auto_ms)
    row.worse_than_sa_dp += _is_worse(auto, sa_dp)
    exact = solve(problem, "exact", "single", proof_s) if proof_s else None
    if exact is not None and exact.is_proved and exact.accuracy > 0:
        row.proved += 1
        row.sa_dp_quality.append(_quality(sa_dp, exact))
        row.auto_quality.append(_quality(auto, exact))


def _share(gain: Gain, problem: Problem) -> None:
    single, _ = _timed(problem, "auto", "single")
    shared, shared_ms = _timed(problem, "auto", "shared")
    gain.shared_ms.append(shared_ms)
    gain.worse += _is_worse(shared, single)
    gain.more_served += shared.served > single.served
    if single.accuracy > 0:
        gain.gains.append(shared.accuracy / single.accuracy - 1)


def _is_worse(plan: Plan, other: Plan) -> bool:
    if plan.served != other.served:
        return plan.served < other.served
    return plan.accuracy < other.accuracy - _SAME


def _quality(plan: Plan, best: Plan) -> float:
    """Share of the best accuracy; 0 for a plan that serves fewer."""
    return plan.accuracy / best.accuracy if plan.served == best.served else 0.0


def _table(rows: list[SolverResult]) -> Table:
    table = Table(title="Rule single: accuracy against the proved optimum, and time")
    for heading in (
        "GPUs x clients",
        "proved",
        "sa-dp mean / least",
        "auto mean / least",
        "sa-dp ms",
        "auto ms (most)",
        "times faster",
        "below sa-dp",
    ):
        table.add_column(heading)
    for row in rows:
        table.add_row(
            f"{row.gpus} x {row.clients}",
            f"{row.proved} of {row.problems}",
            _span(row.sa_dp_quality),
            _span(row.auto_quality),
            f"{median(row.sa_dp_ms):.0f}",
            f"{median(row.auto_ms):.0f} ({max(row.auto_ms):.0f})",
            f"{row.speedup:.1f}",
            str(row.worse_than_sa_dp),
        )
    return table


def _span(values: list[float]) -> str:
    return f"{mean(values):.5f} / {min(values):.5f}" if values else "-"


def _gains_table(gains: list[Gain]) -> Table:
    table = Table(title="Rule shared: accuracy gained over single")
    headings = ("GPUs x clients", "mean", "most", "serves more", "worse", "ms (most)")
    for heading in headings:
        table.add_column(heading)
    for gain in gains:
        table.add_row(
            f"{gain.gpus} x {gain.clients}",
            f"{mean(gain.gains):.2%}",
            f"{max(gain.gains):.2%}",
            str(gain.more_served),
            str(gain.worse),
            f"{median(gain.shared_ms):.0f} ({max(gain.shared_ms):.0f})",
        )
    return table


def _judge(rows: list[SolverResult], gains: list[Gain]) -> list[Promise]:
    by_size = {(row.gpus, row.clients): row for row in rows}
    qualities = [q for row in rows for q in row.auto_quality]
    below = sum(row.worse_than_sa_dp for row in rows)
    faster = by_size[SPEEDUP_AT].speedup
    longest = median(by_size[MAX_MS_AT].auto_ms)
    worse = sum(gain.worse for gain in gains)
    average, least = mean(qualities or [0.0]), min(qualities, default=0.0)
    judged = bool(qualities)
    return [
        Promise("auto is never below sa-dp", below == 0, f"{below} times"),
        Promise(
            f"auto's accuracy is {MIN_MEAN} of the optimum or more on average",
            average >= MIN_MEAN if judged else None,
            f"{average:.5f} over {len(qualities)} proofs",
        ),
        Promise(
            f"and never under {MIN_QUALITY}",
            least >= MIN_QUALITY if judged else None,
            f"{least:.5f}",
        ),
        Promise(
            f"auto is {MIN_SPEEDUP:g} times faster than sa-dp at {_name(SPEEDUP_AT)}",
            faster >= MIN_SPEEDUP,
            f"{faster:.1f}",
        ),
        Promise(
            f"auto takes less than {MAX_MS:g} ms at {_name(MAX_MS_AT)}",
            longest < MAX_MS,
            f"{longest:.0f} ms, median",
        ),
        Promise("shared is never below single", worse == 0, f"{worse} times"),
    ]


def _name(size: tuple[int, int]) -> str:
    return f"{size[0]} GPUs and {size[1]} clients"
