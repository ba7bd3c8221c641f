"""Results for the terminal: a table and the verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from analysis.simulator.judge import MAX_MISSED, OURS, Verdict
from analysis.simulator.results import REASONS, RunResult


def table(rows: Sequence[RunResult], title: str) -> Table:
    """A line for each run, with a rule between cells."""
    made = Table(title=title, pad_edge=False)
    made.add_column("cell")
    made.add_column("policy")
    for name in (
        "captured", "infeasible", "misses", "F1", "F1 feasible", "busy", "variants", "sizes",
        "Mbit/s", "p50 ms", "p99 ms",
    ):  # fmt: skip
        made.add_column(name, justify="right")
    made.add_column("missed by")
    for index, row in enumerate(rows):
        first = not index or rows[index - 1].cell != row.cell
        last = index + 1 == len(rows) or rows[index + 1].cell != row.cell
        reasons = {name: getattr(row, f"miss_{name}") for name in REASONS}
        style = "bold" if row.policy == OURS else ""
        colour = "red" if row.miss_rate > MAX_MISSED else "green"
        made.add_row(
            row.cell_name if first else "",
            row.policy,
            str(row.captured),
            f"{row.infeasible_share:.2%}",
            f"[{colour}]{row.miss_rate:.2%}[/]",
            f"{row.f1:.4f}",
            f"{row.f1_feasible:.4f}",
            f"{row.utilisation:.0%}",
            str(row.variant_changes),
            str(row.size_changes),
            f"{row.sent_mbps:.2f}",
            f"{row.p50_ms:.0f}",
            f"{row.p99_ms:.0f}",
            ", ".join(f"{name} {count}" for name, count in reasons.items() if count),
            style=style,
            end_section=last,
        )
    return made


def show(verdicts: Sequence[Verdict], console: Console) -> None:
    """Prints each promise and the cells where it is broken."""
    for verdict in verdicts:
        colour = "red" if verdict.broken else "green"
        console.print(f"[{colour}]{verdict.kept} of {verdict.cells} cells[/]: {verdict.promise}")
        for fault in verdict.broken:
            console.print(f"  {fault}", highlight=False)
