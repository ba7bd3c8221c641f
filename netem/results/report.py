"""Runs side by side, for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from netem.results.rows import RunRow

HEADINGS = (
    "frames", "in time", "missed", "infeasible", "F1", "p50 ms", "p99 ms", "Mbit/s", "link",
    "sizes", "variants", "by sender", "busy", "server",
)  # fmt: skip


IN_DOCUMENTS = (
    "in time", "missed", "infeasible", "F1", "p50 ms", "p99 ms", "Mbit/s", "by sender", "busy",
)  # fmt: skip


def cell_of(row: RunRow) -> str:
    """The settings that a run shares with the runs it is compared with."""
    text = f"{row.clients} {row.kind}, {row.fps:g} fps, {row.slo_ms:g} ms, {row.trace}"
    if row.delay_ms:
        text += f" + {row.delay_ms:g} ms"
    if row.video != "street":
        text += f", {row.video}"
    return text if row.repetition == 1 else f"{text}, repetition {row.repetition}"


def figures(row: RunRow) -> list[str]:
    """A run's figures in the order of HEADINGS; F1 in brackets is simulated."""
    f1 = f"{row.f1:.3f}" if row.f1 is not None else f"({row.f1_simulated:.3f})"
    return [
        str(row.captured),
        f"{row.in_time_share:.1%}",
        f"{row.miss_rate:.2%}",
        f"{row.infeasible_share:.2%}",
        f1,
        "" if row.p50_ms is None else f"{row.p50_ms:.0f}",
        "" if row.p99_ms is None else f"{row.p99_ms:.0f}",
        f"{row.sent_mbps:.2f}",
        f"{row.link_mbps:.1f}",
        str(row.size_changes),
        str(row.variant_changes),
        f"{row.sender_share:.1%}",
        f"{row.cpu_busy:.0%}",
        f"{row.server_cores:.2f}",
    ]


def table(rows: Sequence[RunRow], title: str) -> Table:
    """A line a run, with a rule between cells."""
    made = Table("cell", "policy", title=title, pad_edge=False)
    for name in HEADINGS:
        made.add_column(name, justify="right")
    for place, row in enumerate(rows):
        first = not place or cell_of(rows[place - 1]) != cell_of(row)
        last = place + 1 == len(rows) or cell_of(rows[place + 1]) != cell_of(row)
        style = "bold" if row.policy == "ours" else ""
        made.add_row(
            cell_of(row) if first else "", row.policy, *figures(row), style=style, end_section=last
        )
    return made


def markdown(rows: Sequence[RunRow]) -> str:
    """The table in Markdown, with fewer columns."""
    lines = ["| cell | policy | " + " | ".join(IN_DOCUMENTS) + " |"]
    lines.append("| --- | --- |" + " ---: |" * len(IN_DOCUMENTS))
    for place, row in enumerate(rows):
        first = not place or cell_of(rows[place - 1]) != cell_of(row)
        policy = f"**{row.policy}**" if row.policy == "ours" else row.policy
        named = dict(zip(HEADINGS, figures(row), strict=True))
        cells = [cell_of(row) if first else "", policy, *(named[name] for name in IN_DOCUMENTS)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
