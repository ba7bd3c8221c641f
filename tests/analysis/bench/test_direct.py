"""The benchmark of a director: a real fleet, measured for a moment."""

from __future__ import annotations

import pytest

from analysis.bench.direct.measurement import measure
from analysis.bench.report import MeasurementError
from tests.fleet.engine import nats


@nats
async def test_both_ways_are_measured_in_pairs() -> None:
    figures = await measure(3)
    assert set(figures) == {"direct", "proxied", "difference"}
    for way in ("direct", "proxied"):
        assert 0.0 < figures[way]["p50_ms"] <= figures[way]["p99_ms"]


async def test_a_missing_engine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    with pytest.raises(MeasurementError, match="nats-server"):
        await measure(1)
