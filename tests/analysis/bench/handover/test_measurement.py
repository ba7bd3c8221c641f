"""The handover benchmark's measurement, with a small picture and few rounds."""

from __future__ import annotations

import pytest

from analysis.bench.handover import measurement


async def test_every_size_has_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "SIZES", ((64, 48),))
    figures = await measurement.measure(20)
    assert list(figures) == ["64x48"]
    row = figures["64x48"]
    assert row["copy_p50_ms"] > 0.0
    assert row["p99_ms"] >= row["p50_ms"]
    assert row["pickled_p99_ms"] >= row["pickled_p50_ms"]
    assert row["ratio"] == pytest.approx(row["pickled_p50_ms"] / row["p50_ms"])
