"""A node's report: bounded, checked, and the worst sessions first."""

from __future__ import annotations

import json

import pytest

from edge.fleet.report import MAX_REPORT_BYTES, MAX_ROWS, Report, ReportError
from tests.fleet.reports import report, row


def test_it_is_read_as_it_was_written_whatever_else_a_later_version_says() -> None:
    written = report("a", row("s1", label="gate", size=(320, 180)), variants=["v-160"])
    assert Report.read(written.model_dump_json().encode()) == written
    more = {**written.model_dump(), "weather": "fair"}
    assert Report.read(json.dumps(more).encode()) == written


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"node": "a/b"}, "node"),
        ({"missed": -1}, "missed"),
        ({"sessions": [{"name": "<b>", "slo_ms": 100}]}, "sessions.0.name"),
        ({"sessions": [{"name": "s", "slo_ms": "NaN"}]}, "sessions.0.slo_ms"),
        ({"sessions": [{"name": "s", "slo_ms": 1}] * (MAX_ROWS + 1)}, "sessions"),
        ({"sessions": None}, "sessions"),
    ],
)
def test_what_is_none_is_refused_by_its_place(change: dict[str, object], words: str) -> None:
    with pytest.raises(ReportError, match=f"^{words}: "):
        Report.read(json.dumps({**report().model_dump(), **change}).encode())


def test_no_json_and_too_much_are_refused() -> None:
    for data in (b"", b"no", b"[]", b"\xff", b" " * (MAX_REPORT_BYTES + 1)):
        with pytest.raises(ReportError):
            Report.read(data)


def test_who_misses_most_is_most_urgent() -> None:
    rows = [
        row("well"),
        row("silent", in_time=0),
        row("late", in_time=1, missed=9),
        row("some", in_time=9, missed=1),
    ]
    order = [each.name for each in sorted(rows, key=lambda each: each.urgency)]
    assert order == ["late", "silent", "some", "well"]
