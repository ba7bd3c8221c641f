"""Fixed hints: one for each session, whatever its link does."""

from __future__ import annotations

from dataclasses import replace

from edge.adaptation.fixed_hint_controller import FixedHintController
from edge.adaptation.measurements import SessionMeasurements
from edge.scheduling.assignment import Assignment

MEASURED = SessionMeasurements(slo_ms=100.0, fps=24.0, capacity_bps=8e6)
BEST = Assignment("yolov4-tiny-608", 608, 3e6, 0.0, "nothing sees more")


def test_the_first_decision_is_the_fixed_hint() -> None:
    controller = FixedHintController(320, 300_000)
    assert controller.current is None
    hint = controller.decide(MEASURED, BEST, 0.0)
    assert hint is not None
    assert (hint.seq, hint.max_edge, hint.max_bps, hint.fps) == (1, 320, 300_000, 24.0)
    assert hint.variant == "yolov4-tiny-608"
    assert controller.current == hint


def test_nothing_changes_it() -> None:
    controller = FixedHintController(320, 300_000)
    hint = controller.decide(MEASURED, BEST, 0.0)
    collapsed = replace(MEASURED, capacity_bps=1e4, queue_ms=900.0, loss=0.5)
    for step in range(1, 20):
        assert controller.decide(collapsed, replace(BEST, variant=None), 500.0 * step) is None
    assert controller.current == hint


def test_plans_count_on_the_fixed_bitrate() -> None:
    assert FixedHintController(320, 300_000).usual_bps == 300_000.0
