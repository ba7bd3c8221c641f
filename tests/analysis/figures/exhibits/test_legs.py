"""Legs of latency: those of answered frames alone."""

import pytest

from analysis.figures.exhibits import legs
from tests.analysis.figures.recording import LEG_MS, SLO_MS, frame, unanswered


def test_legs_are_those_of_answered_frames() -> None:
    slow = frame(0, 100)
    slow.received_ms = slow.decoded_ms = slow.dispatched_ms = slow.inferred_ms = 10_104.0
    slow.returned_ms = 10_104.0
    frames = [frame(0, 0, returned_ms=9e9), *(frame(0, n) for n in range(1, 100)), slow]
    frames.append(unanswered(0, 101, "lost"))
    exhibit = legs.cdf(frames, SLO_MS, "l", "L")
    assert exhibit.table.column("leg") == [*LEG_MS, legs.TOTAL]
    assert exhibit.table.column("p50, ms") == [
        pytest.approx(ms) for ms in (*LEG_MS.values(), sum(LEG_MS.values()))
    ]
    most = dict(zip(exhibit.table.column("leg"), exhibit.table.column("most, ms"), strict=True))
    assert most["network"] == pytest.approx(200.0)
    assert most[legs.TOTAL] == pytest.approx(204.0)
    means = exhibit.table.column("mean, ms")
    assert sum(float(ms or 0) for ms in means[:-1]) == pytest.approx(float(means[-1] or 0))
    assert exhibit.caption.startswith("100 answered of 101 frames")


def test_no_answer_makes_no_distribution() -> None:
    with pytest.raises(ValueError, match="no frame was answered"):
        legs.cdf([unanswered(0, 1, "lost")], SLO_MS, "l", "L")
