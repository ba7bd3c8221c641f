"""Figures of the receive benchmark: legs, rows and promises."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.bench.receive.figures import (
    TOTAL,
    MeasuredConnection,
    legs,
    promises,
    rows_of,
    spread,
)
from analysis.bench.report import MeasurementError


def test_a_frames_legs_add_up() -> None:
    assert legs(100.0, (104.0, 107.0, 109.0)) == {
        TOTAL: 9.0, "network": 4.0, "decode": 3.0, "hand over": 2.0,
    }  # fmt: skip
    assert legs(100.0, (109.0,)) == {TOTAL: 9.0}


def test_a_spread_is_of_all_values() -> None:
    assert spread([float(n) for n in range(100, 0, -1)]) == {
        "p50": 50.0, "p90": 90.0, "p99": 99.0, "max": 100.0,
    }  # fmt: skip


def connection(*totals_ms: float, encoded: int = 10) -> MeasuredConnection:
    return MeasuredConnection(encoded, [{TOTAL: ms} for ms in totals_ms])


def test_connections_of_one_receiver_are_one_row_with_the_ratio_of_medians() -> None:
    runs = {
        (15, "stock"): [connection(80.0, 90.0), connection(100.0)],
        (15, "ours"): [connection(5.0), connection(6.0, 7.0)],
    }
    stock, ours = rows_of(runs)
    assert (stock["encoded"], stock["frames"]) == (20, 3)
    assert "ratio" not in stock
    assert ours["ratio"] == pytest.approx(90.0 / 6.0)


def test_a_receiver_that_decoded_nothing_is_an_error() -> None:
    with pytest.raises(MeasurementError, match="by stock at 30 frames/s"):
        rows_of({(30, "stock"): [connection()]})


def row(ratio: float, p99: float) -> dict[str, Any]:
    return {"fps": 15, "receiver": "ours", "ratio": ratio, TOTAL: {"p99": p99}}


@pytest.mark.parametrize(
    ("ratio", "p99", "kept"),
    [(10.0, 9.9, [True, True]), (9.9, 9.9, [False, True]), (20.0, 10.0, [True, False])],
)
def test_both_promises(ratio: float, p99: float, kept: list[bool]) -> None:
    rows = [{"fps": 15, "receiver": "stock", TOTAL: {"p99": 500.0}}, row(ratio, p99)]
    assert [promise.kept for promise in promises(rows)] == kept
