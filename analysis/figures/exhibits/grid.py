"""Accuracy, misses and infeasible frames, by clients, frame rate and objective."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from analysis.figures.exhibit import Exhibit
from analysis.figures.style import WIDTH_IN, FigureStyle, blank, styled, styles
from analysis.figures.table import Column, Table
from analysis.simulator import results as simulated
from analysis.simulator.judge import OURS
from netem.results.rows import RunRow

_FLOOR = 0.001  # below it the scale of misses is linear


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """One policy's results in one cell of a grid.

    Outcomes of different `setting` (experiment, devices, link) are never pooled; `seed`
    distinguishes repetitions and videos. `f1` is the mean over `frames`, and `simulated` if no
    device detected anything; `missed` counts feasible frames. `busy` is the share of the machine's
    processor time in use, `by_sender` the frames that their sender missed.
    """

    setting: str
    policy: str
    clients: int
    fps: float
    slo_ms: float
    seed: str
    frames: int
    captured: int
    infeasible: int
    feasible: int
    missed: int
    f1: float
    simulated: bool = False
    busy: float | None = None
    by_sender: int = 0

    @property
    def cell(self) -> tuple[int, float, float, str]:
        return self.clients, self.fps, self.slo_ms, self.seed


@dataclass(frozen=True, slots=True)
class PooledOutcomes:
    """Several outcomes as one: shares are of all their frames."""

    outcomes: Sequence[CellOutcome]

    @property
    def f1(self) -> float:
        return sum(o.f1 * o.frames for o in self.outcomes) / max(1, self.frames)

    @property
    def miss_rate(self) -> float:
        return sum(o.missed for o in self.outcomes) / max(1, sum(o.feasible for o in self.outcomes))

    @property
    def infeasible_share(self) -> float:
        captured = sum(o.captured for o in self.outcomes)
        return sum(o.infeasible for o in self.outcomes) / max(1, captured)

    @property
    def by_sender(self) -> float:
        """Share of the captured frames that their sender missed."""
        captured = sum(o.captured for o in self.outcomes)
        return sum(o.by_sender for o in self.outcomes) / max(1, captured)

    @property
    def busiest(self) -> float | None:
        """The largest share of processor time in use; None for simulations."""
        return max((o.busy for o in self.outcomes if o.busy is not None), default=None)

    @property
    def frames(self) -> int:
        return sum(o.frames for o in self.outcomes)


_AXES: Mapping[str, Callable[[CellOutcome], float]] = {
    "clients": lambda outcome: outcome.clients,
    "frames a second": lambda outcome: outcome.fps,
    "objective, ms": lambda outcome: outcome.slo_ms,
}
_SHORT = {"clients": "clients", "frames a second": "fps", "objective, ms": "ms"}
_MEASURES: Mapping[str, Callable[[PooledOutcomes], float]] = {
    "F1": lambda pool: pool.f1,
    "missed, of feasible": lambda pool: pool.miss_rate,
    "infeasible, of captured": lambda pool: pool.infeasible_share,
}


def from_runs(rows: Iterable[RunRow]) -> list[CellOutcome]:
    """Outcomes of real runs."""
    outcomes = []
    for row in rows:
        feasible = row.captured - row.infeasible - row.paced
        f1 = row.f1_simulated if row.simulated or row.f1 is None else row.f1
        devices = _devices(row.device)
        outcomes.append(
            CellOutcome(
                setting=f"{row.experiment}: {row.trace} +{row.delay_ms:g} ms, {row.kind}"
                f"{', ' + devices if devices else ''}{', SIMULATED' if row.simulated else ''}",
                policy=row.policy, clients=row.clients, fps=row.fps, slo_ms=row.slo_ms,
                seed=f"{row.video} {row.repetition}", frames=row.captured, captured=row.captured,
                infeasible=row.infeasible, feasible=feasible,
                missed=round(row.miss_rate * feasible), f1=f1, simulated=row.simulated,
                busy=row.cpu_busy, by_sender=round(row.sender_share * row.captured),
            )
        )  # fmt: skip
    return outcomes


def _devices(text: str) -> str:
    """`sim:a/b.json sim:a/b.json cpu` abbreviated: `2 x b, cpu`."""
    names = Counter(Path(name.removeprefix("sim:")).stem for name in text.split())
    return ", ".join(f"{count} x {name}" if count > 1 else name for name, count in names.items())


def from_simulator(rows: Iterable[simulated.RunResult], name: str) -> list[CellOutcome]:
    """Outcomes of simulated runs; `name` is the experiment's."""
    return [
        CellOutcome(
            setting=f"{name}: {row.trace}, SIMULATED, devices: {row.devices}",
            policy=row.policy, clients=row.clients, fps=row.fps, slo_ms=row.slo_ms,
            seed=str(row.seed), frames=row.captured + row.skipped, captured=row.captured,
            infeasible=row.captured - row.feasible, feasible=row.feasible, missed=row.misses,
            f1=row.f1, simulated=True,
        )
        for row in rows
    ]  # fmt: skip


def grids(outcomes: Sequence[CellOutcome]) -> list[Exhibit]:
    """One figure for each setting. Raises ValueError if a cell has two results of one policy."""
    keys = set()
    for o in outcomes:
        key = (o.setting, o.policy, o.cell)
        if key in keys:
            raise ValueError(
                f"{o.setting}: two results of {o.policy}, {o.clients} clients, {o.fps:g} fps, "
                f"{o.slo_ms:g} ms ({o.seed}): leave one folder out"
            )
        keys.add(key)
    settings = dict.fromkeys(outcome.setting for outcome in outcomes)
    return [grid([o for o in outcomes if o.setting == setting]) for setting in settings]


@styled
def grid(outcomes: Sequence[CellOutcome]) -> Exhibit:
    """F1, miss rate and infeasible share of each policy along each axis that varies.

    A column takes the slices of the grid that have the most values of its axis, and pools them; at
    each value it takes only the cells that all policies at that value ran, so that all are compared
    on the same cells.
    """
    policies = sorted({o.policy for o in outcomes}, key=lambda name: (name != OURS, name))
    columns = {name: _slices(outcomes, name) for name in _AXES}
    columns = {
        name: chosen
        for name, chosen in columns.items()
        if len({_AXES[name](outcome) for outcome in chosen}) > 1
    } or {"clients": _comparable(outcomes, "clients")}
    figure = blank(5.6, WIDTH_IN * (len(columns) + 1) / (len(_AXES) + 1))
    panels = figure.subplots(len(_MEASURES), len(columns), squeeze=False, sharey="row")
    table = Table(
        (
            Column("by"), Column("value", "g"), Column("policy"), Column("F1", ".3f"),
            Column("missed, of feasible", ".2%"), Column("infeasible, of captured", ".2%"),
            Column("missed by the sender", ".2%"), Column("machine busy", ".0%"),
            Column("frames", ",d"), Column("runs"),
        )
    )  # fmt: skip
    style = styles(policies)
    for column, (name, chosen) in enumerate(columns.items()):
        pools = _pooled(chosen, _AXES[name])
        values = sorted({value for value, _ in pools})
        for value in values:
            for policy in policies:
                pool = pools.get((value, policy))
                if pool is not None:
                    table.add(
                        name, value, policy, pool.f1, pool.miss_rate, pool.infeasible_share,
                        pool.by_sender, pool.busiest, pool.frames, len(pool.outcomes),
                    )  # fmt: skip
        for axes, (measure, of) in zip(panels[:, column], _MEASURES.items(), strict=True):
            _lines(axes, pools, values, style, of)
            if measure != "F1":
                _shares(axes)
            if column == 0:
                axes.set_ylabel(measure)
        panels[-1, column].set_xlabel(_axis_label(name, chosen))
    if any(outcome.simulated for outcome in outcomes):
        panels[0, 0].set_ylabel("F1, simulated")
    _fit(panels[0, 0])
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(columns) + 1)
    setting = outcomes[0].setting
    drawn = {id(outcome) for chosen in columns.values() for outcome in chosen}
    missing = sum(id(outcome) not in drawn for outcome in outcomes)
    left = f" {missing} of {len(outcomes)} runs are in no column." if missing else ""
    return Exhibit(
        "grid-" + re.sub(r"[^a-z0-9]+", "-", setting.lower()).strip("-"),
        f"Accuracy and misses by policy: {setting}",
        "A column pools the cells named below it, and at each value takes only cells that all "
        "policies at that value ran. Misses are of the frames that the network alone did not make "
        "late; those that it did are in the row below. Shares under 0.1 % are on a linear scale, "
        f"above on a logarithmic one.{_busy_note(outcomes)}{left}",
        figure,
        table,
    )


def _busy_note(outcomes: Sequence[CellOutcome]) -> str:
    if all(outcome.busy is None for outcome in outcomes):
        return ""
    return (
        " Clients, links, server and devices shared a machine: where the table has it busy all the "
        "time, or many frames missed by their sender, lateness may not be due to any policy."
    )


def _slices(outcomes: Sequence[CellOutcome], axis: str) -> list[CellOutcome]:
    """Outcomes in the slices along an axis that have the most of its values, without cells that not
    all policies at that value ran."""
    slices: dict[tuple[object, ...], list[CellOutcome]] = {}
    for outcome in outcomes:
        others = [of(outcome) for name, of in _AXES.items() if name != axis]
        slices.setdefault((*others, outcome.seed), []).append(outcome)
    of = _AXES[axis]
    reach = {key: len({of(outcome) for outcome in group}) for key, group in slices.items()}
    most = max(reach.values())
    chosen = [o for key, group in slices.items() if reach[key] == most for o in group]
    return _comparable(chosen, axis)


def _comparable(outcomes: Sequence[CellOutcome], axis: str) -> list[CellOutcome]:
    """Outcomes in cells that all policies at their value of the axis ran; all outcomes at a value
    where there is no such cell."""
    of = _AXES[axis]
    ran: dict[tuple[int, float, float, str], set[str]] = {}
    policies_at: dict[float, set[str]] = {}
    for outcome in outcomes:
        ran.setdefault(outcome.cell, set()).add(outcome.policy)
        policies_at.setdefault(of(outcome), set()).add(outcome.policy)
    complete = {outcome.cell: ran[outcome.cell] == policies_at[of(outcome)] for outcome in outcomes}
    reached = {of(outcome) for outcome in outcomes if complete[outcome.cell]}
    return [o for o in outcomes if complete[o.cell] or of(o) not in reached]


def _axis_label(axis: str, outcomes: Sequence[CellOutcome]) -> str:
    """The axis, and the values of the other ones."""
    others = []
    for name, of in _AXES.items():
        if name != axis:
            values = sorted({of(outcome) for outcome in outcomes})
            others.append(f"{_SHORT[name]} {', '.join(f'{value:g}' for value in values)}")
    return f"{axis}\n({'; '.join(others)})"


def _pooled(
    outcomes: Sequence[CellOutcome], of: Callable[[CellOutcome], float]
) -> dict[tuple[float, str], PooledOutcomes]:
    groups: dict[tuple[float, str], list[CellOutcome]] = {}
    for outcome in outcomes:
        groups.setdefault((of(outcome), outcome.policy), []).append(outcome)
    return {key: PooledOutcomes(group) for key, group in groups.items()}


def _lines(
    axes: Axes,
    pools: Mapping[tuple[float, str], PooledOutcomes],
    values: Sequence[float],
    style: Mapping[str, FigureStyle],
    of: Callable[[PooledOutcomes], float],
) -> None:
    for number, (policy, how) in enumerate(style.items()):
        shift = 0.03 * (
            number - (len(style) - 1) / 2
        )  # so that equal policies do not hide each other
        points = [
            (place + shift, of(pools[value, policy]))
            for place, value in enumerate(values)
            if (value, policy) in pools
        ]
        axes.plot(
            [x for x, _ in points], [y for _, y in points], **how.line(), label=policy,
            markerfacecolor=how.colour if policy == OURS else "white", markersize=4.5,
        )  # fmt: skip
    axes.set_xticks(range(len(values)), [f"{value:g}" for value in values])
    axes.set_xlim(-0.35, len(values) - 0.65)


def _shares(axes: Axes) -> None:
    axes.set_yscale("symlog", linthresh=_FLOOR)
    axes.set_yticks([0.0, 0.001, 0.01, 0.1, 1.0])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axes.set_ylim(-0.0002, 1.3)


def _fit(axes: Axes) -> None:
    """From just below the lowest value to just above the highest."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(0.0, low - 0.02), min(1.02, high + 0.02))
