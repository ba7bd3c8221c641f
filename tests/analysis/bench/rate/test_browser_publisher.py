"""A publication's frames, and machines without links."""

from __future__ import annotations

import math

import pytest

from analysis.bench.rate import browser_publisher
from analysis.bench.rate.browser_publisher import Publication, check_links
from analysis.bench.report import MeasurementError


def test_frames_are_those_sent_and_those_left_out_by_the_links_time() -> None:
    publication = Publication(
        fps=10.0,
        encoded=[(0, 1000.0, 125), (9000, 1100.0, 250), (27_000, 1300.0, 125)],
        received_ms={0: 1020.0, 27_000: 1350.0},
        caps=[],
        qp=30.0,
        long_side=608.0,
    )
    frames = publication.frames(origin_ms=900.0)
    assert [frame.at_ms for frame in frames] == [100.0, 200.0, 300.0, 400.0]
    assert [frame.bits for frame in frames] == [1000.0, 2000.0, 0.0, 1000.0]
    assert [frame.network_ms for frame in frames] == [20.0, math.inf, math.inf, 50.0]


def test_a_machine_without_links_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_publisher, "missing", lambda: "needs root")
    with pytest.raises(MeasurementError, match="links can't be emulated here: needs root"):
        check_links()
    monkeypatch.setattr(browser_publisher, "missing", lambda: None)
    check_links()
