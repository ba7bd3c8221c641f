"""The sessions of all nodes: what a search finds, in which order, and what is cut."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edge.fleet.director.session_list import SessionQuery, Source, select
from edge.fleet.report import MissLimits
from tests.fleet.reports import report, row

LIMITS = MissLimits(0.015, 0.1)
SOURCES = [
    Source(
        report(
            "a",
            row("s1", label="gate", p50_ms=30.0, size=(320, 180), variant="tiny-160"),
            row("s2", label="Dock", in_time=5, missed=5, p50_ms=90.0, size=(640, 360)),
        ),
        "https://a:1",
        100.0,
    ),
    Source(report("b", row("s3", in_time=0, link_bps=1e6), total=7), "https://b:2", 4000.0),
]


def names(**query: Any) -> list[str]:
    return [each["name"] for each in select(SOURCES, SessionQuery(**query), LIMITS)["sessions"]]


def test_each_has_its_node_and_where_its_own_page_is() -> None:
    found = select(SOURCES, SessionQuery(sort="session"), LIMITS)
    by_name = {each["name"]: each for each in found["sessions"]}
    assert by_name["s3"]["node"] == "b"
    assert by_name["s3"]["url"] == "https://b:2/admin/session/s3"
    assert by_name["s3"]["report_age_ms"] == 4000
    assert (by_name["s1"]["level"], by_name["s2"]["level"]) == ("good", "poor")
    assert (found["total"], found["told"], found["matched"]) == (9, 3, 3)


def test_the_worst_comes_first() -> None:
    assert names() == ["s2", "s3", "s1"]  # half of its frames missed, no frames, well


@pytest.mark.parametrize(
    ("sort", "wanted"),
    [
        ("session", ["s2", "s1", "s3"]),  # Dock, gate, s3
        ("node", ["s2", "s1", "s3"]),
        ("in_time", ["s2", "s1", "s3"]),  # one without frames comes last
        ("p50", ["s1", "s2", "s3"]),
        ("size", ["s1", "s2", "s3"]),
        ("model", ["s1", "s2", "s3"]),
        ("link", ["s3", "s2", "s1"]),
    ],
)
def test_any_column_sorts(sort: str, wanted: list[str]) -> None:
    assert names(sort=sort) == wanted


def test_without_a_value_is_last_either_way() -> None:
    assert names(sort="p50", descending=True) == ["s2", "s1", "s3"]


def test_a_search_is_of_labels_names_nodes_and_variants() -> None:
    assert names(search="DOCK") == ["s2"]
    assert names(search="s3") == ["s3"]
    assert names(search="tiny a") == ["s1"]
    assert names(search="nobody") == []


def test_it_is_cut_and_says_so() -> None:
    found = select(SOURCES, SessionQuery(limit=1), LIMITS)
    assert len(found["sessions"]) == 1
    assert found["matched"] == 3


@pytest.mark.parametrize(
    "query",
    [{"limit": "0"}, {"limit": "2001"}, {"sort": "colour"}, {"search": "x" * 129}, {"x": 1}],
)
def test_a_query_is_bounded(query: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SessionQuery.model_validate(query)
