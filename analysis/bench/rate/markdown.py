"""The tables of `bench rate` in `docs/measure/figures/rate-and-loss.md`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

from analysis.bench.rate.results import CONTROLLERS, RateCell, RateResult, promises
from analysis.bench.report import markdown_table

_NAMES = {
    "receiver": "receiver",
    "receiver-remb": "receiver, no hints",
    "transport-cc": "transport-cc",
    "aiortc": "plain aiortc",
}


def markdown(rows: Sequence[RateResult]) -> str:
    """A table with every cell for each kind of cell, then the broken promises."""
    rows = sorted(rows, key=lambda row: CONTROLLERS.index(row.controller))
    made: list[str] = []
    grains = sorted({row.cell.grain for row in rows})
    for grain, (kind, title, lines) in itertools.product(grains, _KINDS):
        mine = [row for row in rows if (row.cell.kind, row.cell.grain) == (kind, grain)]
        if mine:
            where = f", a camera with grain of {grain:g}" if grain else ""
            made += [f"## {title}{where}", "", *lines(mine), ""]
    judged = [promise for row in rows for promise in promises(row, rows)]
    broken = [promise for promise in judged if promise.kept is False]
    made += [f"Of {len(judged)} promises {len(judged) - len(broken)} were kept. Broken:", ""]
    made += [f"- {promise.text}" for promise in broken] or ["- none"]
    return "\n".join(made) + "\n"


def _cells(rows: Sequence[RateResult]) -> Iterator[tuple[RateCell, list[RateResult]]]:
    """Cells in the order in which they came, each with its rows."""
    for cell in dict.fromkeys(row.cell for row in rows):
        yield cell, [row for row in rows if row.cell == cell]


def _steady(rows: Sequence[RateResult]) -> Iterator[str]:
    def lines() -> Iterator[Sequence[str]]:
        for row in rows:
            found = row.figures
            crossing_ms = found.crossing_ms or 0.0
            yield (
                f"{row.cell.name.split()[-1]} Mbit/s",
                _NAMES[row.controller],
                f"{_ms(found.p50)} / {_ms(found.p99)}",
                f"{crossing_ms:.1f}",
                f"{1.5 * crossing_ms + 3.0:.1f}",
                f"{found.bps / 1e3:,.0f}",
                _rounded(found.qp),
                _rounded(found.edge),
            )

    head = "| link | controller | p50 / p99, ms | bits / capacity | limit | kbit/s | QP | px |"
    return markdown_table(head, lines())


def _steps(rows: Sequence[RateResult]) -> Iterator[str]:
    def lines() -> Iterator[Sequence[str]]:
        for cell, some in _cells(rows):
            for row in some:
                found = row.figures
                yield (
                    f"{cell.cap_bps / 1e6:g} Mbit/s, {cell.fps} a second",
                    _NAMES[row.controller],
                    f"{_ms(found.p50)} / {_ms(found.p99)}",
                    _ms(found.step_worst),
                    _ms(found.recovery_ms),
                    _percent(found.late[1]),
                    _number(found.used, lambda part: f"{part:.2f}"),
                    _number(found.start_bps, lambda bps: f"{bps / 1e3:,.0f}"),
                    f"{found.bps / 1e3:,.0f}",
                    _rounded(found.qp),
                    _rounded(found.edge),
                )

    head = (
        "| cap | controller | p50 / p99, ms | worst at the step | under 60 ms after, ms"
        " | over 100 ms | used 3 s after | kbit/s 2 s after the start | kbit/s | QP | px |"
    )
    return markdown_table(head, lines())


def _traces(rows: Sequence[RateResult]) -> Iterator[str]:
    def lines() -> Iterator[Sequence[str]]:
        for cell, some in _cells(rows):
            for row in some:
                found = row.figures
                late = " / ".join(f"{100.0 * share:.2f}" for share in found.late_feasible)
                yield (
                    f"{cell.name}, {cell.cap_bps / 1e6:g}",
                    _NAMES[row.controller],
                    f"{_ms(found.p50)} / {_ms(found.p99)}",
                    f"{late} %",
                    _percent(found.infeasible[1]),
                    _percent(found.unsent),
                    f"{found.bps / 1e3:,.0f}",
                    _rounded(found.qp),
                    _rounded(found.edge),
                )
            late_share, bps = some[-1].oracle
            late = f"{_percent(late_share)} in all"
            yield ("", "oracle", "", late, "", "", f"{bps / 1e3:,.0f}", "", "")

    head = (
        "| trace, cap in Mbit/s | controller | p50 / p99, ms | over 75 / 100 / 150 ms, of the"
        " feasible | infeasible at 100 ms | not sent | kbit/s | QP | px |"
    )
    yield from markdown_table(head, lines())
    yield ""
    yield from _sums(rows)


def _sums(rows: Sequence[RateResult]) -> Iterator[str]:
    """Over the cells in which all of the controllers were measured."""
    names = list(dict.fromkeys(row.controller for row in rows))
    full = [some for _, some in _cells(rows) if len(some) == len(names)]

    def lines() -> Iterator[Sequence[str]]:
        for name in names:
            mine = [row.figures for some in full for row in some if row.controller == name]
            feasible = [found.frames * (1.0 - found.infeasible[1]) for found in mine]
            late = sum(f.late_feasible[1] * n for f, n in zip(mine, feasible, strict=True))
            bps = sum(found.bps for found in mine) / max(1, len(mine))
            share = _percent(late / max(1.0, sum(feasible)))
            yield _NAMES[name], f"{late:.0f}", share, f"{bps / 1e3:,.0f}"

    head = f"| all {len(full)} cells | late frames of the feasible, 100 ms | share | mean kbit/s |"
    return markdown_table(head, lines())


def _ms(value: float | None) -> str:
    return "never" if value is None or not math.isfinite(value) else f"{value:.0f}"


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f} %"


def _rounded(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.0f}"


def _number(value: float | None, text: Callable[[float], str]) -> str:
    return "" if value is None else text(value)


_KINDS = (
    ("steady", "Steady links", _steady),
    ("steps", "Steps", _steps),
    ("traces", "Traces", _traces),
)
