"""Dataclass values as CSV cells, and back."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Any

import pytest

from netem.results.csv_values import TableError, rows_of, text_of


@dataclass
class Row:
    name: str
    count: int
    rate: float | None
    good: bool


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""), (True, 1), (False, 0), (3, 3), ("a", "a"),
        (0.123456789, "0.123457"), (1234.5678, "1234.568"), (1e6, "1000000"), (-2000.0, "-2000"),
    ],
)  # fmt: skip
def test_a_value_as_a_cell(value: Any, cell: Any) -> None:
    assert text_of(value) == cell


def test_columns_may_be_in_any_order_and_further_ones_are_ignored() -> None:
    lines = csv.DictReader(["good,later,name,rate,count", "1,x,a,,7", "0,y,b,1.5,8"])
    assert rows_of(lines, Row) == [Row("a", 7, None, True), Row("b", 8, 1.5, False)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["name,count"], ": no column good, rate"),
        (["name,count,rate,good", "a,x,1,1"], ":2: count: invalid literal"),
        (["name,count,rate,good", "a,1,1,1", "a,1,?,1"], ":3: rate: could not convert"),
        (["name,count,rate,good", "a,,1,1"], ":2: count"),
    ],
)
def test_an_unreadable_table_is_reported_by_line_and_column(lines: list[str], message: str) -> None:
    with pytest.raises(TableError) as caught:
        rows_of(csv.DictReader(lines), Row)
    assert str(caught.value).startswith(message)
