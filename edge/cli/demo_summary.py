"""The demo's result: from the page's counts to the summary (JSON) and its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

LEGS = ("encode", "network", "decode", "queue", "inference", "send", "back")
LEG_WORDS = {
    "encode": "captured -> left the encoder",
    "network": "-> last packet received",
    "decode": "-> decoded",
    "queue": "-> dispatched to a worker",
    "inference": "-> boxes known",
    "send": "-> result sent",
    "back": "-> handled in the page",
}


def summarise(snapshot: Mapping[str, Any], *, slo_ms: float, fps: float) -> dict[str, Any]:
    """The demo's JSON from what the page counted."""
    counts = snapshot["counts"]
    return {
        "captured": counts["captured"],
        "in_time": counts["in_time"],
        "late": counts["late"],
        "infeasible": counts.get("infeasible", 0),
        "dropped": counts["dropped"],
        "latency_ms": snapshot["latency_ms"],
        "legs_ms": snapshot["legs_ms"],
        "classes": dict(sorted(snapshot["classes"].items(), key=lambda item: -item[1])),
        "sent_sizes": snapshot["sent_sizes"],
        "variants": snapshot["variants"],
        "slo_ms": slo_ms,
        "fps": fps,
    }


def check(summary: Mapping[str, Any]) -> str | None:
    """The reason for which a summary is a failure, None if it is not one."""
    accounted = summary["in_time"] + summary["late"] + sum(summary["dropped"].values())
    if accounted != summary["captured"]:
        return f"{summary['captured']} frames captured, but {accounted} accounted for"
    if not summary["in_time"]:
        return "no frame was answered in time"
    return None


def show(summary: Mapping[str, Any], console: Console) -> None:
    """Print the summary as tables."""
    captured = summary["captured"] or 1

    def share(count: int) -> str:
        return f"{100 * count / captured:.1f} %"

    frames = Table("frames", "count", "share", title="What became of each frame captured")
    for column in frames.columns[1:]:
        column.justify = "right"
    frames.add_row("captured", str(summary["captured"]), "")
    in_time = f"answered within {summary['slo_ms']:.0f} ms"
    frames.add_row(in_time, str(summary["in_time"]), share(summary["in_time"]))
    frames.add_row("answered late", str(summary["late"]), share(summary["late"]))
    for reason, count in sorted(summary["dropped"].items()):
        frames.add_row(f"dropped: {reason}", str(count), share(count))
    frames.add_row("(infeasible among these)", str(summary["infeasible"]), "")

    legs = Table("leg", "", "p50 ms", "p90 ms", "p99 ms", title="Where the time went")
    for column in legs.columns[2:]:
        column.justify = "right"
    for name in LEGS:
        if name in summary["legs_ms"]:
            legs.add_row(name, LEG_WORDS[name], *_quantiles(summary["legs_ms"][name]))
    legs.add_section()
    legs.add_row("whole", "captured -> result handled", *_quantiles(summary["latency_ms"]))

    objects = Table("class", "boxes", title="Objects detected")
    objects.columns[1].justify = "right"
    for name, count in summary["classes"].items():
        objects.add_row(name, str(count))
    for table in (frames, legs, objects):
        console.print(table)
    for title, key in (("sizes sent", "sent_sizes"), ("variants used", "variants")):
        items = ", ".join(f"{name} x{count}" for name, count in summary[key].items())
        console.print(f"{title}: {items}")


def _quantiles(values: Mapping[str, float | None]) -> list[str]:
    return ["" if values.get(q) is None else f"{values[q]:.1f}" for q in ("p50", "p90", "p99")]
