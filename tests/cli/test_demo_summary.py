"""The demo's summary: its JSON contract, its check, its tables."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from edge.cli.demo_summary import check, show, summarise

QUANTILES = {"p50": 40.0, "p90": 60.0, "p99": None}


def _snapshot(**counts: Any) -> dict[str, Any]:
    return {
        "counts": {"captured": 10, "in_time": 7, "late": 1, "dropped": {"lost": 2}} | counts,
        "latency_ms": QUANTILES,
        "legs_ms": {"network": QUANTILES, "queue": QUANTILES},
        "classes": {"dog": 1, "car": 9},
        "sent_sizes": {"416x234": 10},
        "variants": {"yolov4-tiny-416": 8},
    }


def test_the_summary_has_the_keys_of_the_contract() -> None:
    summary = summarise(_snapshot(infeasible=1), slo_ms=150.0, fps=15)
    assert set(summary) == {
        "captured", "in_time", "late", "infeasible", "dropped", "latency_ms", "legs_ms",
        "classes", "sent_sizes", "variants", "slo_ms", "fps",
    }  # fmt: skip
    assert list(summary["classes"]) == ["car", "dog"]  # the most frequent first
    assert summary["infeasible"] == 1


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({}, None),
        ({"in_time": 6}, "10 frames captured, but 9 accounted for"),
        ({"in_time": 0, "late": 8}, "no frame was answered in time"),
    ],
)
def test_counts_must_add_up_and_frames_be_answered(
    counts: dict[str, Any], words: str | None
) -> None:
    assert check(summarise(_snapshot(**counts), slo_ms=150.0, fps=15)) == words


def test_the_tables_name_every_count_and_leg() -> None:
    out = io.StringIO()
    show(summarise(_snapshot(), slo_ms=150.0, fps=15), Console(file=out, width=120))
    text = out.getvalue()
    for words in ("answered within 150 ms", "70.0 %", "dropped: lost", "queue", "416x234 x10"):
        assert words in text
    assert "inference" not in text  # a leg that was not measured
