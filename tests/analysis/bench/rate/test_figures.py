"""Figures of the rate benchmark, and its oracle."""

from __future__ import annotations

import math

import pytest

from analysis.bench.rate.figures import (
    FrameTiming,
    feasible,
    oracle,
    recovery_ms,
    summarise,
    with_unsent,
)


class Steady:
    """A link of one rate, but for an outage."""

    def __init__(self, bps: float, out_ms: tuple[float, float] = (math.inf, math.inf)) -> None:
        self.bps, self.out_ms = bps, out_ms

    def finish_ms(self, start_ms: float, bits: float) -> float:
        from_ms, until_ms = self.out_ms
        if from_ms <= start_ms < until_ms:
            start_ms = until_ms
        end_ms = start_ms + 1000.0 * bits / self.bps
        return end_ms + until_ms - from_ms if start_ms < from_ms < end_ms else end_ms

    def capacity_bits(self, start_ms: float, end_ms: float) -> float:
        from_ms, until_ms = self.out_ms
        lost_ms = max(0.0, min(end_ms, until_ms) - max(start_ms, from_ms))
        return self.bps * (end_ms - start_ms - lost_ms) / 1000.0


def test_late_frames_that_no_sender_could_have_had_in_time_are_set_apart() -> None:
    link = Steady(1e6, (1000.0, 2000.0))
    frames = [FrameTiming(100.0 * n, 10_000.0, 500.0 if n in (3, 12) else 20.0) for n in range(30)]
    found = summarise(frames, link, 10.0, 3.0)
    assert found.frames == 30
    assert found.late == pytest.approx((2 / 30,) * 3)
    assert not feasible(link, 1200.0, 10.0, 100.0)
    assert found.infeasible[1] == pytest.approx(10 / 30)
    assert found.late_feasible[1] == pytest.approx(1 / 20)
    assert found.bps == pytest.approx(100_000.0)
    assert (found.p50, found.worst) == (20.0, 500.0)


def test_frames_that_never_came_are_late() -> None:
    found = summarise([FrameTiming(0.0, 1e4, math.inf)], Steady(1e6), 15.0, 1.0)
    assert found.late == (1.0, 1.0, 1.0)
    assert found.to_json()["worst"] is None


def test_the_oracle_fills_the_link_up_to_the_cap() -> None:
    times = [100.0 * n for n in range(50)]
    assert oracle(Steady(1e6), times, 10.0, 4e6, 100.0) == pytest.approx((0.0, 1e6))
    assert oracle(Steady(8e6), times, 10.0, 4e6, 100.0) == pytest.approx((0.0, 4e6))
    late, bps = oracle(Steady(1e6, (1000.0, 2000.0)), times, 10.0, 4e6, 100.0)
    assert 0.1 < late <= 0.2
    assert bps <= 0.81e6


def test_recovery_needs_calm_that_lasts() -> None:
    times = [100.0, 10.0, 80.0, 10.0, 10.0, 10.0, 10.0, 10.0]
    frames = [FrameTiming(1000.0 + 100.0 * n, 1.0, ms) for n, ms in enumerate(times)]
    assert recovery_ms(frames, 1000.0) == 300.0
    assert recovery_ms(frames[:5], 1000.0) == math.inf


def test_frames_that_the_encoder_left_out_are_late_and_counted() -> None:
    sent = [
        FrameTiming(0.0, 1e4, 20.0),
        FrameTiming(100.0, 1e4, 20.0),
        FrameTiming(401.0, 1e4, 30.0),
    ]
    rtps = [0xFFFFFFFF - 8999, 0, 27_090]  # the third is two frames' time late
    frames = with_unsent(sent, rtps, 10.0)
    assert [frame.at_ms for frame in frames] == [0.0, 100.0, 201.0, 301.0, 401.0]
    assert [frame.sent for frame in frames] == [True, True, False, False, True]
    found = summarise(frames, Steady(1e6), 10.0, 0.5)
    assert found.frames == 5
    assert found.unsent == pytest.approx(0.4)
    assert found.late == pytest.approx((0.4,) * 3)
    assert (found.p50, found.worst) == (20.0, 30.0)
