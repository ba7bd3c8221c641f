"""Results of `bench loss`: their promises, tables and JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table

from analysis.bench.loss.figures import LossFigures
from analysis.bench.report import Promise, markdown_table

RECEIVERS = {"ours": "receiver", "aiortc": "aiortc"}
"""The receivers compared, as `bench rate` calls them."""
MAX_STALL_MS = 400.0


@dataclass(frozen=True, slots=True)
class LossPattern:
    """A share of the uplink's packets, lost `burst` in a row at a time."""

    name: str
    share: float
    burst: int = 1


LOSSES = {
    loss.name: loss
    for loss in (
        LossPattern("1%", 0.01),
        LossPattern("2%", 0.02),
        LossPattern("5%", 0.05),
        LossPattern("bursts", 0.01, 10),
    )
}


@dataclass(frozen=True, slots=True)
class LossResult:
    """One receiver under one loss at one frame rate."""

    loss: LossPattern
    fps: int
    receiver: str
    figures: LossFigures

    @property
    def label(self) -> str:
        return f"{self.loss.name}, {self.fps}/s"


def promises(rows: Sequence[LossResult]) -> Iterator[Promise]:
    """The promises of our receiver."""
    for row in rows:
        if row.receiver == "ours":
            stall_ms = row.figures.stall_ms
            text = f"{row.label}: longest stall {stall_ms:.0f}, at most {MAX_STALL_MS:.0f} ms"
            yield Promise(text, stall_ms <= MAX_STALL_MS)


def table(rows: Sequence[LossResult]) -> Table:
    """For the terminal, a line for each result."""
    title = "encoder to decoded picture, ms; frames decoded of those captured, %"
    made = Table(title=title, box=box.SIMPLE)
    for name in ("loss", "receiver"):
        made.add_column(name, no_wrap=True)
    names = ("decoded", "longest stall", "p50", "p99", "NACKs", "PLIs", "resent", "recovered")
    for name in (*names, "key frames", "kbit/s"):
        made.add_column(name, justify="right")
    for row in rows:
        found = row.figures
        made.add_row(
            row.label,
            row.receiver,
            f"{100.0 * found.share:.1f}",
            *(f"{ms:.0f}" for ms in (found.stall_ms, found.p50, found.p99)),
            *(str(count) for count in (found.nacks, found.plis, found.resent)),
            "" if found.recovered is None else str(found.recovered),
            str(found.key_frames),
            f"{found.bps / 1e3:.0f}",
        )
    return made


def markdown(rows: Sequence[LossResult]) -> str:
    """A table, a line for each loss and frame rate: ours, aiortc."""
    receivers = list(dict.fromkeys(row.receiver for row in rows))

    def lines() -> Iterator[Sequence[str]]:
        for label in dict.fromkeys(row.label for row in rows):
            found = [row.figures for row in rows if row.label == label]
            yield (
                label,
                ", ".join(f"{100.0 * each.share:.1f}" for each in found) + " %",
                ", ".join(f"{each.stall_ms:.0f}" for each in found),
                ", ".join(f"{each.p50:.0f} / {each.p99:.0f}" for each in found),
                ", ".join(f"{each.bps / 1e3:.0f}" for each in found),
                ", ".join(str(each.plis) for each in found),
            )

    head = (
        f"| loss, frames a second | decoded of the captured: {', '.join(receivers)}"
        " | longest stall, ms | p50 / p99, ms | kbit/s | key frames asked for |"
    )
    return "\n".join(markdown_table(head, lines())) + "\n"


def to_json(row: LossResult, seconds: float) -> dict[str, Any]:
    """A result with its conditions; `seconds` is the length of its measurement."""
    return {
        "loss": row.loss.share,
        "burst": row.loss.burst,
        "fps": row.fps,
        "seconds": seconds,
        "receiver": row.receiver,
        **row.figures.to_json(),
    }
