"""The operator's history: bounded, in order, with gaps."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from edge.observability.time_series import SESSION_POINTS, RingBuffer, TimeSeries


@given(st.integers(1, 20), st.integers(0, 60), st.integers(0, 30))
def test_a_ring_keeps_the_latest_rows_in_order(length: int, rows: int, last: int) -> None:
    ring = RingBuffer(["a", "b"], length)
    for number in range(rows):
        ring.add(float(number), {"a": float(number)})
    kept = [float(number) for number in range(rows)][-length:]
    assert ring.to_json() == {"t": kept, "a": kept, "b": [None] * len(kept)}
    assert ring.to_json(last)["a"] == (kept[-last:] if last else [])


def test_sessions_that_leave_take_their_history_along() -> None:
    history = TimeSeries(["sessions"])
    history.add(1.0, {"sessions": 2.0}, {"one": {"p50_ms": 40.0}, "two": {}})
    history.add(2.0, {"sessions": 1.0}, {"two": {"p50_ms": 50.123456}})
    assert set(history.sessions) == {"two"}
    assert history.sessions["two"].to_json()["p50_ms"] == [None, 50.12]
    assert history.fleet.to_json() == {"t": [1.0, 2.0], "sessions": [2.0, 1.0]}


def test_a_history_is_bounded_and_json() -> None:
    history = TimeSeries(["sessions"])
    for second in range(2 * SESSION_POINTS):
        history.add(float(second), {"sessions": 1.0}, {"one": {"missed": 0.0}})
    table = history.sessions["one"].to_json()
    assert len(table["t"]) == SESSION_POINTS
    assert json.loads(json.dumps(table, allow_nan=False)) == table
