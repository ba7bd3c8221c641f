"""A result of `bench rate`: its place in the table, its promises, its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table

from analysis.bench.rate import figures
from analysis.bench.report import Promise

CONTROLLERS = ("receiver", "receiver-remb", "transport-cc", "aiortc")


@dataclass(frozen=True, slots=True)
class RateCell:
    """Conditions that every controller gets. Frames count from some seconds into the trace on."""

    kind: str
    name: str
    seconds: float
    cap_bps: float
    fps: int
    grain: float = 0.0
    """Of the camera: the standard deviation, of 255."""

    @property
    def label(self) -> str:
        grain = f", grain {self.grain:g}" if self.grain else ""
        return f"{self.name}, {self.fps}/s, cap {self.cap_bps / 1e6:g}{grain}"


@dataclass(frozen=True, slots=True)
class RateResult:
    """One controller in one cell."""

    cell: RateCell
    controller: str
    figures: figures.RateFigures
    oracle: tuple[float, float]  # (share late at 100 ms, bits a second)


def table(rows: Sequence[RateResult]) -> Table:
    made = Table(title="network time, ms; shares in %; late of the feasible", box=box.SIMPLE)
    for name in ("conditions", "controller"):
        made.add_column(name, no_wrap=True)
    shares = (">75", ">100", ">150", "infeas.", "unsent")
    steps = ("step worst", "recovery", "used")
    for name in ("p50", "p99", "worst", *shares, "kbit/s", "QP", "px", *steps):
        made.add_column(name, justify="right")
    last: RateCell | None = None
    for index, row in enumerate(rows):
        found = row.figures
        times = (found.p50, found.p99, found.worst)
        made.add_row(
            row.cell.label if row.cell != last else "",
            row.controller,
            *(f"{ms:.0f}" for ms in times),
            *(f"{100.0 * share:.1f}" for share in found.late_feasible),
            f"{100.0 * found.infeasible[1]:.1f}",
            f"{100.0 * found.unsent:.1f}",
            f"{found.bps / 1e3:.0f}",
            f"{found.qp:.0f}",
            f"{found.edge:.0f}",
            *(
                "" if value is None else f"{value:.{digits}f}"
                for value, digits in (
                    (found.step_worst, 0),
                    (found.recovery_ms, 0),
                    (found.used, 2),
                )
            ),
        )
        last = row.cell
        is_last = index + 1 == len(rows) or rows[index + 1].cell != row.cell
        if row.cell.kind == "traces" and is_last:
            late, bps = row.oracle
            late_text, kbps = f"{100.0 * late:.1f}", f"{bps / 1e3:.0f}"
            made.add_row("", "oracle", *[""] * 4, late_text, "", "", "", kbps)
    return made


def promises(row: RateResult, rows: Sequence[RateResult]) -> Iterator[Promise]:
    """The promises of our controller in this cell."""
    if row.controller != "receiver":
        return
    cell, found, satisfies = row.cell, row.figures, figures.satisfies
    if cell.kind == "steady":
        limit_ms = 1.5 * (found.crossing_ms or 0.0) + 3.0
        text = f"{cell.label}: median {found.p50:.1f} at most {limit_ms:.1f} ms"
        yield Promise(text, found.p50 <= limit_ms)
    elif cell.kind == "steps":
        worst_ms = 150.0 if cell.cap_bps <= 1.2e6 else 350.0
        text = f"{cell.label}: worst at the step under {worst_ms:.0f} ms"
        yield Promise(text, satisfies(found.step_worst, lambda ms: ms < worst_ms))
        if cell.cap_bps <= 1.2e6:
            text = f"{cell.label}: under 60 ms again within 0.5 s"
            yield Promise(text, satisfies(found.recovery_ms, lambda ms: ms <= 500.0))
        text = f"{cell.label}: 80 % of the bitrate before within 3 s of the step up"
        yield Promise(text, satisfies(found.used, lambda part: part >= 0.8))
        if cell.cap_bps >= 4e6:
            text = f"{cell.label}: 2.5 Mbit/s within 2 s of the start"
            yield Promise(text, satisfies(found.start_bps, lambda bps: bps >= 2.5e6))
    else:
        others = {other.controller: other.figures for other in rows if other.cell == cell}
        late, bps = found.late_feasible[1], found.bps
        if theirs := others.get("transport-cc"):
            late_theirs = theirs.late_feasible[1]
            text = f"{cell.label}: a tenth of transport-cc's late frames"
            found_text = f"{100 * late:.2f} %, {100 * late_theirs:.2f} %"
            yield Promise(text, late <= 0.1 * late_theirs, found_text)
            text = f"{cell.label}: two thirds of transport-cc's bitrate"
            yield Promise(text, bps >= theirs.bps * 2 / 3)
        if theirs := others.get("aiortc"):
            text = f"{cell.label}: fewer late frames than aiortc, or none, at a higher bitrate"
            fewer = late < theirs.late_feasible[1] or late == 0.0
            yield Promise(text, fewer and bps > theirs.bps)


def to_json(row: RateResult) -> dict[str, Any]:
    cell = row.cell
    return {
        "kind": cell.kind,
        "name": cell.name,
        "cap_bps": cell.cap_bps,
        "fps": cell.fps,
        "seconds": cell.seconds,
        "grain": cell.grain,
        "controller": row.controller,
        **row.figures.to_json(),
        "oracle_late": row.oracle[0],
        "oracle_bps": row.oracle[1],
    }


def from_json(values: Mapping[str, Any]) -> RateResult:
    """The result that `to_json` wrote."""
    kind, name, seconds = values["kind"], values["name"], values["seconds"]
    cell = RateCell(kind, name, seconds, values["cap_bps"], values["fps"], values.get("grain", 0.0))
    oracle = (values["oracle_late"], values["oracle_bps"])
    return RateResult(cell, values["controller"], figures.RateFigures.from_json(values), oracle)
