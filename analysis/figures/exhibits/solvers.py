"""Quality and time of the scheduler's plans, from its benchmark's JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from matplotlib.ticker import FuncFormatter

from analysis.figures.exhibit import Exhibit
from analysis.figures.style import ROUND_TICKS, STYLES, blank, plain_ticks, styled
from analysis.figures.table import Column, Table

SOLVERS = {"auto": "auto", "sa-dp": "sa_dp"}  # the prefix of the file's fields


class SolverResultsError(ValueError):
    """A benchmark's file that cannot be used; the message names the file and the field."""


@dataclass(frozen=True, slots=True)
class SolverTimings:
    """Problems of one size: shares of the proved optimum, and milliseconds, by solver."""

    gpus: int
    clients: int
    problems: int
    proved: int
    quality: Mapping[str, list[float]]
    ms: Mapping[str, list[float]]

    @property
    def name(self) -> str:
        return f"{self.gpus} x {self.clients}"


def read(path: Path) -> list[SolverTimings]:
    """Reads the file of `python -m analysis bench scheduler --json FILE`. Raises SolverResultsError
    and OSError."""
    try:
        data = json.loads(path.read_text())
        sizes = [_size(item) for item in data["single"]]
    except (KeyError, TypeError, ValueError) as error:
        raise SolverResultsError(f"{path}: not of `analysis bench scheduler`: {error!r}") from error
    for place, size in enumerate(sizes):
        for solver in SOLVERS:
            counts = (len(size.ms[solver]), len(size.quality[solver]))
            if counts != (size.problems, size.proved):
                raise SolverResultsError(
                    f"{path}: single[{place}]: {solver}: {counts[0]} times and {counts[1]} "
                    f"qualities of {size.problems} problems, {size.proved} of them proved"
                )
    return sizes


@styled
def quality_and_time(sizes: list[SolverTimings]) -> Exhibit:
    """Accuracy against the proved optimum, and time, of both solvers by size of problem."""
    figure = blank(3.2)
    left, right = figure.subplots(1, 2)
    places = range(len(sizes))
    table = Table(
        (
            Column("GPUs x clients"), Column("problems"), Column("proved"), Column("solver"),
            Column("share of the optimum, mean", ".5f"),
            Column("least", ".5f"), Column("ms, median", ",.1f"), Column("ms, most", ",.1f"),
        )
    )  # fmt: skip
    for size in sizes:
        for solver in SOLVERS:
            quality, ms = size.quality[solver], size.ms[solver]
            table.add(
                size.name, size.problems, size.proved, solver,
                fmean(quality) if quality else None, min(quality, default=None),
                median(ms), max(ms),
            )  # fmt: skip
    for number, (solver, style) in enumerate(zip(SOLVERS, STYLES, strict=False)):
        shift = 0.16 * (2 * number - 1)
        points = [
            (place + shift, 1.0 - fmean(q), 1.0 - min(q))
            for place, size in enumerate(sizes)
            if (q := size.quality[solver])
        ]
        for x, usual, worst in points:
            left.plot([x, x], [usual, worst], color=style.colour, lw=1.2)
            left.plot(x, worst, marker="_", color=style.colour, ms=7)
        left.plot(
            [x for x, _, _ in points], [usual for _, usual, _ in points], linestyle="",
            marker=style.marker, color=style.colour, label=solver,
        )  # fmt: skip
        right.plot(
            places, [median(size.ms[solver]) for size in sizes], **style.line(), label=solver
        )
        right.fill_between(
            places, [min(size.ms[solver]) for size in sizes],
            [max(size.ms[solver]) for size in sizes], color=style.colour, alpha=0.15, linewidth=0,
        )  # fmt: skip
    left.set(ylabel="accuracy short of the optimum", title="dots: mean; bars: to the worst")
    left.set_yscale("symlog", linthresh=1e-5)
    left.set_ylim(bottom=-2e-6)
    left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    right.set(ylabel="ms (logarithmic)", yscale="log", title="line: median; shade: all problems")
    low, high = right.get_ylim()
    plain_ticks(right.yaxis, [tick for tick in ROUND_TICKS if low <= tick <= high])
    for axes in (left, right):
        axes.set_xlabel("GPUs x clients")
        axes.set_xticks(places, [size.name for size in sizes], rotation=45, ha="right")
        axes.legend(loc="upper left")
    return Exhibit(
        "scheduler",
        "The scheduler: quality and time",
        "Random problems under rule `single`: how far each solver's accuracy is below the optimum "
        "(where one was proved in time; 0 is the optimum itself), and what a plan takes on one "
        "thread. sa-dp is Jellyfish's algorithm, auto is ours.",
        figure,
        table,
    )


def _size(item: Any) -> SolverTimings:
    return SolverTimings(
        gpus=int(item["gpus"]),
        clients=int(item["clients"]),
        problems=int(item["problems"]),
        proved=int(item["proved"]),
        quality={name: [float(q) for q in item[f"{key}_quality"]] for name, key in SOLVERS.items()},
        ms={name: [float(ms) for ms in item[f"{key}_ms"]] for name, key in SOLVERS.items()},
    )
