"""A session's part of the plan becomes a hint, and the variants that its frames may have."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from edge.adaptation.fixed_hint_controller import FixedHintController
from edge.adaptation.hint_controller import HintController
from edge.adaptation.latency_budget import LatencyBudget
from edge.adaptation.measurements import SessionMeasurements
from edge.config import Settings
from edge.profile.variant import LONG_SIDES, Variant
from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.scheduling.assignment import Assignment
from edge.session.session_adaptation import DECIDE_EVERY_MS, SessionAdaptation, measure
from tests.served_model import model

UNKNOWN = SessionMeasurements(slo_ms=150.0, fps=15.0)
FAST_LINK = replace(
    UNKNOWN,
    size=(608, 342),
    capacity_bps=50e6,
    processing_budget_ms=140.0,
    is_inference_measured=True,
)
BEST = Assignment("yolov4-tiny-608", 608, 3e6, 0.0, "nothing sees more")


def _hints(
    assignment: Assignment | None = BEST,
    *,
    long_sides: tuple[int, ...] = LONG_SIDES,
    max_bps: int = 4_000_000,
) -> SessionAdaptation:
    hints = SessionAdaptation({"yolov4-tiny": long_sides}, HintController(max_bps=max_bps))
    if assignment is not None:
        hints.assign(assignment)
    return hints


def test_the_first_hint_comes_with_the_first_plan() -> None:
    hints = _hints(None)
    assert hints.decide(UNKNOWN, 0.0) is None
    hints.assign(BEST)
    hint = hints.decide(UNKNOWN, 1.0)
    assert hint is not None
    assert (hint.max_edge, hint.fps) == (608, 15.0)
    assert "not measured" in hint.reason


def test_decisions_keep_their_distance() -> None:
    hints = _hints()
    hints.decide(UNKNOWN, 0.0)
    slow = replace(FAST_LINK, capacity_bps=300e3)
    assert hints.decide(slow, DECIDE_EVERY_MS / 2) is None
    hint = hints.decide(slow, DECIDE_EVERY_MS)
    assert hint is not None
    assert hint.max_bps < 300e3


def test_a_new_plan_does_not_wait() -> None:
    hints = _hints()
    hints.decide(FAST_LINK, 0.0)
    hints.assign(Assignment(None, 128, 0.0, 0.0, "full"))
    assert hints.decide(FAST_LINK, 10.0) is not None


def test_the_same_plan_again_is_no_news() -> None:
    hints = _hints()
    hints.decide(FAST_LINK, 0.0)
    hints.assign(replace(BEST))
    assert hints.decide(replace(FAST_LINK, capacity_bps=300e3), 10.0) is None


def test_a_hint_that_may_have_been_missed_is_repeated() -> None:
    hints = _hints()
    first = hints.decide(UNKNOWN, 0.0)
    assert hints.decide(UNKNOWN, 1000.0) is None
    hints.repeat()
    assert hints.decide(UNKNOWN, 1001.0) == first


def test_bits_are_capped_by_the_operator() -> None:
    hints = _hints(max_bps=500_000)
    for step in range(100):
        hints.decide(FAST_LINK, step * DECIDE_EVERY_MS)
    assert hints.current is not None
    assert hints.current.max_bps == 500_000


def test_a_snapshot_says_what_the_link_can_be_counted_on_for() -> None:
    hints = _hints()
    fresh = hints.snapshot("s", UNKNOWN)
    assert (fresh.id, fresh.sent_long_side, fresh.is_inference_measured, fresh.size) == (
        "s",
        0,
        False,
        (16, 9),
    )
    for step in range(20):
        hints.decide(replace(FAST_LINK, capacity_bps=400e3), step * DECIDE_EVERY_MS)
    later = hints.snapshot("s", FAST_LINK)
    assert (later.sent_long_side, later.is_inference_measured, later.budget_ms) == (
        608,
        True,
        140.0,
    )
    assert later.link_bps < 400e3


def test_variants_go_down_from_the_planned_one() -> None:
    names = _hints(replace(BEST, variant="yolov4-tiny-416")).variants
    long_sides = [Variant.parse(name).long_side for name in names]
    assert long_sides == sorted(
        (long_side for long_side in LONG_SIDES if long_side <= 416), reverse=True
    )


def test_variants_of_a_family_are_those_that_the_plan_names() -> None:
    hints = SessionAdaptation({"a": [128, 256], "b": [128, 256]}, HintController())
    hints.assign(replace(BEST, variant="b-256", fallbacks=("a-256", "a-128")))
    assert hints.variants == ("b-256", "a-256", "a-128")


def test_a_pinned_variant_has_no_fallbacks() -> None:
    hints = SessionAdaptation({"a": [128, 256], "b": [128, 256]}, HintController())
    hints.pin_variant("b-256")
    hints.assign(replace(BEST, variant="b-256", fallbacks=("a-256",)))
    assert hints.variants == ("b-256",)


def test_before_the_first_plan_frames_get_the_least() -> None:
    assert _hints(None).variants == ("yolov4-tiny-128",)


def test_a_session_that_is_not_served_has_no_variants() -> None:
    assert _hints(Assignment(None, 128, 0.0, 0.0, "full")).variants == ()


def test_an_urgent_decision_is_made_at_once() -> None:
    hints = _hints()
    hints.decide(FAST_LINK, 0.0)
    slow = replace(FAST_LINK, capacity_bps=300e3)
    assert hints.decide(slow, 10.0) is None
    hint = hints.decide(slow, 10.0, urgent=True)
    assert hint is not None
    assert hint.max_bps < 300e3


def test_where_the_publisher_controls_its_rate_the_hint_is_the_operators_cap() -> None:
    hints = _hints(max_bps=1_000_000)
    link = replace(FAST_LINK, capacity_bps=float("inf"))
    for step in range(50):
        hints.decide(link, step * DECIDE_EVERY_MS)
    assert hints.current is not None
    assert hints.current.max_bps == 1_000_000


def test_fixed_hints_are_sent_once() -> None:
    hints = SessionAdaptation({"yolov4-tiny": LONG_SIDES}, FixedHintController(320, 300_000))
    hints.assign(BEST)
    hint = hints.decide(FAST_LINK, 0.0)
    assert hint is not None
    assert (hint.max_edge, hint.max_bps, hint.fps) == (320, 300_000, 15.0)
    collapsed = replace(FAST_LINK, capacity_bps=1e5, queue_ms=500.0, loss=0.2)
    assert hints.decide(collapsed, 1_000.0, urgent=True) is None
    assert hints.snapshot("one", FAST_LINK).link_bps == 300_000.0
    hints.repeat()
    assert hints.decide(collapsed, 2_000.0) == hint


def test_fixed_hints_leave_the_variant_to_the_plan() -> None:
    hints = SessionAdaptation({"yolov4-tiny": LONG_SIDES}, FixedHintController(320, 300_000))
    hints.assign(BEST)
    hints.decide(FAST_LINK, 0.0)
    hints.assign(replace(BEST, variant="yolov4-tiny-128"))
    assert hints.variants == ("yolov4-tiny-128",)


def _measure(estimator: BandwidthEstimator | None) -> SessionMeasurements:
    budget = LatencyBudget()
    for index in range(100):
        budget.observe("network", 20.0 + index / 10.0, 1000.0)
        budget.observe("decode", 5.0, 1000.0)
        budget.observe("back", 2.0, 1000.0)
    return measure(
        budget,
        estimator,
        1000.0,
        size=(640, 480),
        slo_ms=100.0,
        fps=15.0,
        available_bps=3e6,
    )


def test_measurements_divide_the_objective_among_the_legs() -> None:
    measured = _measure(BandwidthEstimator())
    assert measured.network_budget_ms == 93.0
    assert measured.processing_budget_ms == pytest.approx(93.0 - 24.9)  # medians
    assert not measured.is_inference_measured
    assert (measured.network_low_ms, measured.network_ms) == pytest.approx((20.9, 29.4))
    assert measured.capacity_bps is None


def test_a_publisher_that_controls_its_rate_has_a_link_of_infinite_capacity() -> None:
    measured = _measure(None)
    assert measured.capacity_bps == math.inf
    assert (measured.network_ms, measured.frame_bits) == (None, None)
    assert measured.available_bps == 3e6


def test_the_settings_choose_the_controller() -> None:
    adaptive = SessionAdaptation.of(Settings(), [model()])
    adaptive.assign(BEST)
    hint = adaptive.decide(FAST_LINK, 0.0)
    assert hint is not None
    assert hint.max_edge == 608
    fixed = SessionAdaptation.of(Settings(sent_edge=256, sent_bps=200_000), [model()])
    fixed.assign(BEST)
    hint = fixed.decide(FAST_LINK, 0.0)
    assert hint is not None
    assert (hint.max_edge, hint.max_bps) == (256, 200_000)
