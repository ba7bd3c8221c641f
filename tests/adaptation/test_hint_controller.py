"""Hints: the law, its floors and its calm."""

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.adaptation.bitrate_controller import MIN_BPS
from edge.adaptation.hint_controller import (
    CROSSING_PART,
    FPS_DOWN_MS,
    KEY_FRAME_COST,
    MIN_FPS,
    Hint,
    HintController,
)
from edge.adaptation.measurements import SessionMeasurements
from edge.profile.variant import LONG_SIDES, SENT_LONG_SIDES
from edge.scheduling.assignment import Assignment

IDLE = SessionMeasurements(slo_ms=100.0, fps=15.0, capacity_bps=8e6)
LARGE = Assignment("yolov4-tiny-608", 608, 1.9e6, 0.0, "nothing sees more")
SMALL = Assignment("yolov4-tiny-320", 320, 500e3, 0.1, "40 ms are left")
NONE = Assignment(None, 128, 0.0, 0.0, "not served: all 2 devices are full")


def run(
    at: Callable[[float], SessionMeasurements],
    seconds: float,
    *,
    plan: Callable[[float], Assignment] = lambda _: LARGE,
    every_ms: float = 200.0,
    controller: HintController | None = None,
) -> list[tuple[float, Hint]]:
    """All hints of a session that measures `at(time in ms)`."""
    controller = controller or HintController()
    hints = []
    for step in range(int(seconds * 1000 / every_ms)):
        now = step * every_ms
        hint = controller.decide(at(now), plan(now), now)
        if hint is not None:
            hints.append((now, hint))
            assert controller.current == hint
    return hints


def stepping(low_bps: float, from_s: float, to_s: float) -> Callable[[float], SessionMeasurements]:
    return lambda t: replace(
        IDLE, capacity_bps=low_bps if from_s * 1000 <= t < to_s * 1000 else 8e6
    )


class TestStart:
    def test_the_first_hint_comes_at_once_though_nothing_is_known(self) -> None:
        hint = HintController().decide(replace(IDLE, capacity_bps=None), LARGE, 0.0)
        assert hint is not None
        assert (hint.seq, hint.max_edge, hint.fps, hint.max_bps) == (1, 608, 15.0, 1_500_000)
        assert hint.variant == "yolov4-tiny-608"
        assert "not measured yet" in hint.reason

    def test_it_asks_for_no_more_than_the_plan_can_use(self) -> None:
        hint = HintController().decide(replace(IDLE, capacity_bps=None), SMALL, 0.0)
        assert hint is not None
        assert (hint.max_edge, hint.variant, hint.max_bps) == (320, "yolov4-tiny-320", 500_000)

    def test_nothing_new_no_hint(self) -> None:
        assert len(run(lambda _: IDLE, 30)) == 1
        assert len(run(lambda _: replace(IDLE, capacity_bps=None), 30)) == 1


class TestLink:
    def test_bits_fall_at_once_and_the_size_stays(self) -> None:
        hints = run(stepping(1e6, 10, 20), 20)
        assert [t for t, _ in hints] == [0.0, 10_000.0, 10_200.0]
        first, stall, second = (hint for _, hint in hints)
        assert second.max_edge == stall.max_edge == first.max_edge == 608
        assert stall.reason == "link fell to 1.0 Mbit/s"
        # It had plenty of room, so this may be a stall: for a moment a third of the bits goes on.
        assert second.max_bps < stall.max_bps <= 0.75e6
        # A frame crosses in 30 ms: half of the 60 that are left unless measured.
        assert second.max_bps == pytest.approx(15 * 1e6 * 0.03, rel=0.01)

    def test_a_frame_crosses_within_its_share_of_the_slo(self) -> None:
        for slo_ms in (50.0, 100.0, 300.0):
            for capacity in (5e5, 1e6, 3e6):
                for left_ms in (None, 20.0, 0.7 * slo_ms):
                    m = replace(
                        IDLE, slo_ms=slo_ms, capacity_bps=capacity, network_budget_ms=left_ms
                    )
                    ((_, hint),) = run(lambda _, m=m: m, 1)  # type: ignore[misc]
                    crossing_ms = 1000 * hint.max_bps / hint.fps / capacity
                    assert hint.max_bps <= max(MIN_BPS, 0.75 * capacity)
                    if hint.max_bps > MIN_BPS:
                        assert crossing_ms <= 0.5 * slo_ms

    def test_the_usual_bitrate_follows_the_link(self) -> None:
        controller = HintController()
        run(stepping(1e6, 2, 10), 4, controller=controller)
        assert controller.usual_bps == pytest.approx(450_000, rel=0.01)

    def test_up_is_patient_and_by_steps(self) -> None:
        def at(t: float) -> SessionMeasurements:
            return replace(IDLE, capacity_bps=1e6 if 10_000 <= t < 20_000 else 4e6)

        hints = [(t, hint) for t, hint in run(at, 40) if t >= 20_000]
        assert hints[0][0] >= 21_000
        assert hints[-1][0] <= 24_000
        bits = [hint.max_bps for _, hint in hints]
        assert bits == sorted(bits)
        assert all(b <= 1.5 * a + 1 for a, b in zip([450_000, *bits], bits, strict=False))
        assert bits[-1] > 1_700_000
        assert "4.0 Mbit/s again" in hints[0][1].reason

    def test_a_link_with_plenty_of_room_is_back_in_one_step(self) -> None:
        (at_ms, hint), *more = [(t, hint) for t, hint in run(stepping(1e6, 10, 20), 40) if t >= 2e4]
        assert at_ms < 21_000
        assert hint.max_bps == run(stepping(1e6, 10, 20), 9)[-1][1].max_bps
        assert not more

    def test_a_short_recovery_is_not_followed(self) -> None:
        hints = run(lambda t: replace(IDLE, capacity_bps=8e6 if t % 1000 < 400 else 1e6), 30)
        assert all(hint.max_bps <= 470_000 for t, hint in hints if t > 1000)
        assert len(hints) < 4

    @pytest.mark.parametrize("noise", [0.1, 0.25, 0.4])
    @pytest.mark.parametrize("capacity_bps", [3e5, 6e5, 2e6, 8e6])
    def test_a_noisy_steady_link_does_not_swing(self, noise: float, capacity_bps: float) -> None:
        rng = random.Random(5)
        hints = run(
            lambda _: replace(IDLE, capacity_bps=capacity_bps * rng.uniform(1 - noise, 1 + noise)),
            120,
        )
        assert len([hint for t, hint in hints if t > 20_000]) <= 8

    def test_a_queue_is_drained(self) -> None:
        hints = run(lambda t: replace(IDLE, queue_ms=60.0 if 5000 <= t < 5800 else 0.0), 15)
        during = [hint for t, hint in hints if 5000 <= t < 5800]
        assert during[0].max_bps <= 0.45 * hints[0][1].max_bps
        assert "queue for 60 ms" in during[0].reason
        assert hints[-1][1].max_bps == hints[0][1].max_bps

    def test_losses_lower_bits(self) -> None:
        m = replace(IDLE, capacity_bps=2e6)
        hints = run(lambda t: replace(m, loss=0.1 if t >= 5000 else 0.0), 10)
        assert hints[1][0] == 5000
        assert hints[1][1].max_bps < 0.85 * hints[0][1].max_bps
        assert "10 % of the packets" in hints[1][1].reason

    def test_an_outage_goes_to_the_floors_and_comes_back(self) -> None:
        hints = run(stepping(2e4, 5, 8), 40)
        assert hints[1][1].max_bps == MIN_BPS
        low_ms, low = next((t, hint) for t, hint in hints if hint.fps == MIN_FPS)
        assert 5_000 + FPS_DOWN_MS <= low_ms < 8_000
        assert low.max_bps == MIN_BPS
        back_ms = next(t for t, hint in hints if t > low_ms and hint.fps > MIN_FPS)
        assert back_ms == 8_000  # more frames cost nothing, unlike another size
        last = hints[-1][1]
        assert (last.max_edge, last.fps) == (608, 15.0)
        assert last.max_bps > 1_700_000

    def test_frames_come_back_to_the_last(self) -> None:
        """14 a second of a camera's 15 would lose one in fifteen for good."""

        def at(t: float) -> SessionMeasurements:
            bps = 4e4 if 5000 <= t < 8000 else 1.26e5 if 8000 <= t < 10_000 else 8e6
            return replace(IDLE, capacity_bps=bps)

        hints = run(at, 20)
        assert 14.0 in {hint.fps for _, hint in hints}
        assert hints[-1][1].fps == 15.0

    def test_a_short_outage_costs_no_frames(self) -> None:
        hints = run(stepping(2e4, 5, 5.8), 20)
        assert {hint.fps for _, hint in hints} == {15.0}
        assert min(hint.max_bps for _, hint in hints) == MIN_BPS

    @pytest.mark.parametrize("base_ms", [0.0, 20.0])
    def test_distance_takes_of_the_time_that_bits_have(self, base_ms: float) -> None:
        controller = HintController()
        m = replace(IDLE, capacity_bps=1e6, network_budget_ms=60.0)

        def at(_: float) -> SessionMeasurements:
            bps = controller.current.max_bps if controller.current else 0.0
            return replace(m, network_low_ms=base_ms + 1000.0 * bps / m.fps / 1e6)

        bps = run(at, 20, controller=controller)[-1][1].max_bps
        assert bps == pytest.approx(15 * 1e6 * CROSSING_PART * (60.0 - base_ms) / 1000.0, rel=0.15)


class TestSize:
    @pytest.mark.parametrize("gain", [0.02, 0.1, 0.5])
    def test_it_changes_once_the_wrong_one_has_cost_a_key_frame(self, gain: float) -> None:
        plan = replace(SMALL, gain=gain)
        hints = run(lambda _: IDLE, 20, plan=lambda t: plan if t >= 5000 else LARGE)
        changed_ms = next(t for t, hint in hints if hint.max_edge == 320)
        owed_ms = 1000 * KEY_FRAME_COST / (gain * IDLE.fps)
        assert 0.0 <= changed_ms - 5000 - owed_ms + 200 <= 400

    def test_the_reason_is_the_plan_s(self) -> None:
        hints = run(lambda _: IDLE, 20, plan=lambda t: SMALL if t >= 5000 else LARGE)
        (reason,) = [hint.reason for _, hint in hints if "320 px" in hint.reason]
        assert "40 ms are left" in reason

    def test_a_short_spell_costs_no_key_frame(self) -> None:
        hints = run(lambda _: IDLE, 20, plan=lambda t: SMALL if 5000 <= t < 5600 else LARGE)
        assert {hint.max_edge for _, hint in hints} == {608}
        assert hints[-1][1].variant == "yolov4-tiny-608"

    def test_with_nothing_to_gain_it_stays(self) -> None:
        plan = replace(SMALL, gain=0.0)
        hints = run(lambda _: IDLE, 60, plan=lambda t: plan if t >= 5000 else LARGE)
        assert {hint.max_edge for _, hint in hints} == {608}
        assert hints[-1][1].variant == "yolov4-tiny-320"

    def test_a_plan_that_swings_changes_nothing(self) -> None:
        def swing(t: float) -> Assignment:
            return replace(SMALL, long_side=256 if t % 800 < 400 else 608, gain=0.1)

        start = replace(SMALL, long_side=416)
        hints = run(lambda _: IDLE, 60, plan=lambda t: swing(t) if t > 1000 else start)
        assert {hint.max_edge for _, hint in hints} == {416}

    def test_bits_are_enough_for_the_size_that_is_still_sent(self) -> None:
        hints = run(lambda _: IDLE, 60, plan=lambda t: replace(SMALL, gain=0.0) if t else LARGE)
        assert hints[-1][1].max_bps == pytest.approx(500e3 * (608 / 320) ** 2, rel=0.1)


class TestServer:
    def test_the_variant_follows_the_plan_at_once(self) -> None:
        hints = run(lambda _: IDLE, 20, plan=lambda t: SMALL if t >= 5000 else LARGE)
        assert hints[1][0] == 5000
        assert (hints[1][1].max_edge, hints[1][1].variant) == (608, "yolov4-tiny-320")
        assert hints[1][1].reason

    def test_a_session_that_is_not_served_learns_why_and_sends_fewer_frames(self) -> None:
        m = replace(IDLE, fps=30.0)
        hints = run(lambda _: m, 30, plan=lambda t: NONE if t >= 5000 else LARGE)
        assert hints[1][0] == 5000
        assert hints[1][1].reason == NONE.reason
        rates = [hint.fps for _, hint in hints]
        assert rates == sorted(rates, reverse=True)
        assert hints[-1][1].fps == MIN_FPS
        assert {hint.max_edge for _, hint in hints} == {608}  # nobody looks: no key frame for it

    def test_and_again_when_it_can(self) -> None:
        hints = run(lambda _: IDLE, 60, plan=lambda t: NONE if 5000 <= t < 10_000 else LARGE)
        assert hints[-1][1].fps == 15.0
        assert any(hint.reason == LARGE.reason for t, hint in hints if t >= 10_000)

    def test_a_session_that_is_never_served_learns_why(self) -> None:
        hint = HintController().decide(IDLE, NONE, 0.0)
        assert hint is not None
        assert hint.reason == NONE.reason


measured = st.builds(
    SessionMeasurements,
    slo_ms=st.floats(20, 5000),
    fps=st.floats(0, 120),
    capacity_bps=st.one_of(st.none(), st.floats(0, 1e10)),
    available_bps=st.one_of(st.none(), st.floats(0, 1e10)),
    queue_ms=st.floats(0, 1e5),
    loss=st.floats(0, 1),
    frame_bits=st.one_of(st.none(), st.floats(0, 1e9)),
    network_ms=st.one_of(st.none(), st.floats(0, 1e5)),
    network_budget_ms=st.one_of(st.none(), st.floats(-1e4, 5000)),
)
planned = st.builds(
    Assignment,
    variant=st.one_of(
        st.none(), st.sampled_from([f"yolov4-tiny-{long_side}" for long_side in LONG_SIDES])
    ),
    long_side=st.sampled_from(SENT_LONG_SIDES),
    useful_bps=st.floats(0, 1e8),
    gain=st.floats(-1, 1),
    reason=st.just("the plan"),
)


@settings(max_examples=100)
@given(st.lists(st.tuples(measured, planned, st.floats(0, 5000)), min_size=1, max_size=40))
def test_whatever_is_measured_hints_are_sane(
    steps: list[tuple[SessionMeasurements, Assignment, float]],
) -> None:
    controller = HintController()
    now, seq = 0.0, 0
    for m, assignment, gap_ms in steps:
        now += gap_ms
        before = controller.current
        hint = controller.decide(m, assignment, now)
        assert before is not None or hint is not None
        if hint is None:
            continue
        assert hint.seq == (seq := seq + 1)
        assert hint.max_edge in SENT_LONG_SIDES
        assert hint.max_bps >= MIN_BPS
        assert MIN_FPS <= hint.fps <= max(MIN_FPS, m.fps, before.fps if before else 0.0)
        assert hint.reason


@settings(max_examples=60)
@given(
    st.floats(5e4, 2e7),
    st.floats(1.0, 10.0),
    st.floats(40, 500),
    st.sampled_from([5.0, 15.0, 30.0]),
)
def test_a_better_link_never_gives_less(
    capacity_bps: float, times: float, slo_ms: float, fps: float
) -> None:
    worse, better = (
        HintController().decide(
            SessionMeasurements(slo_ms=slo_ms, fps=fps, capacity_bps=bps), LARGE, 0.0
        )
        for bps in (capacity_bps, times * capacity_bps)
    )
    assert worse is not None
    assert better is not None
    assert better.max_bps >= worse.max_bps


def test_a_plan_that_often_changes_its_mind_costs_few_key_frames() -> None:
    rng = random.Random(3)
    wishes = [
        replace(SMALL, long_side=rng.choice(SENT_LONG_SIDES), gain=rng.uniform(0, 0.05))
        for _ in range(600)
    ]
    hints = run(lambda _: IDLE, 120, plan=lambda t: wishes[int(t / 200)])
    changes = sum(a.max_edge != b.max_edge for (_, a), (_, b) in pairwise(hints))
    assert changes <= 6
