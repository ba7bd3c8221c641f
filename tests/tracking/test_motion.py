"""The Kalman filter of a box."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.tracking.motion import AxisMotion, Motion
from edge.tracking.overlap import Corners


def at(x: float, y: float, width: float = 0.05, height: float = 0.2) -> Corners:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def walked(step_s: float, until_s: float, speed: float = 0.1) -> Motion:
    """A thing that moves to the right, seen every `step_s`."""
    motion = Motion(0.0, at(0.1, 0.5))
    for index in range(1, round(until_s / step_s) + 1):
        at_s = index * step_s
        motion.update(at_s, at(0.1 + speed * at_s, 0.5))
    return motion


@pytest.mark.parametrize("step_s", [0.04, 0.1, 0.4])
def test_speed_is_a_second_whatever_the_frame_rate(step_s: float) -> None:
    motion = walked(step_s, until_s=2.0)
    assert motion.x.speed == pytest.approx(0.1, rel=0.1)
    assert motion.expected(2.5) == pytest.approx(at(0.35, 0.5), abs=0.01)


def test_a_gap_makes_the_next_box_count_for_more() -> None:
    """The place of something that was hidden for long is what is seen, not what was expected."""
    soon, late = walked(0.1, 1.0), walked(0.1, 1.0)
    soon.update(1.1, at(0.4, 0.5))
    late.update(2.0, at(0.4, 0.5))
    assert 0.21 < soon.x.centre < late.x.centre
    assert late.x.centre == pytest.approx(0.4, abs=0.02)


def test_uncertainty_never_turns_negative() -> None:
    axis = walked(0.01, 5.0).x
    assert axis.centre_var > 0
    assert axis.size_var > 0
    assert axis.speed_var >= 0
    assert axis.centre_var * axis.speed_var >= axis.both_var**2


def test_a_size_below_zero_is_none() -> None:
    assert Motion(0.0, (0.6, 0.1, 0.4, 0.3)).expected(1.0) == pytest.approx((0.5, 0.1, 0.5, 0.3))


class MatrixFilter:
    """One axis by the textbook's matrices: centre, speed and size, with their covariances."""

    measures = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])

    def __init__(self, low: float, high: float) -> None:
        size = high - low
        self.state = np.array([(low + high) / 2, 0.0, size])
        self.covariance = np.diag([0.05**2, 1.5**2, 0.08**2]) * max(size, 1e-4) ** 2

    def update(self, dt_s: float, low: float, high: float) -> None:
        square = max(high - low, 1e-4) ** 2
        step = np.array([[1.0, dt_s, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        noise = square * np.array(
            [[dt_s**3 / 3, dt_s**2 / 2, 0.0], [dt_s**2 / 2, dt_s, 0.0], [0.0, 0.0, 0.09 * dt_s]]
        )
        state = step @ self.state
        covariance = step @ self.covariance @ step.T + noise
        innovation = self.measures @ covariance @ self.measures.T
        innovation += np.diag([0.05**2, 0.08**2]) * square
        gain = covariance @ self.measures.T @ np.linalg.inv(innovation)
        seen = np.array([(low + high) / 2, high - low])
        self.state = state + gain @ (seen - self.measures @ state)
        self.covariance = (np.eye(3) - gain @ self.measures) @ covariance


SIDES = st.tuples(st.floats(-0.2, 1.0), st.floats(0.005, 0.8)).map(lambda it: (it[0], sum(it)))


@given(SIDES, st.lists(st.tuples(st.floats(0.0, 3.0), SIDES), max_size=12))
def test_the_filter_is_that_of_the_matrices(
    first: tuple[float, float], later: list[tuple[float, tuple[float, float]]]
) -> None:
    axis, matrices = AxisMotion.of(*first), MatrixFilter(*first)
    for dt_s, sides in later:
        axis.update(dt_s, *sides)
        matrices.update(dt_s, *sides)
    assert (axis.centre, axis.speed, axis.size) == pytest.approx(
        tuple(matrices.state), rel=1e-6, abs=1e-9
    )
    variances = np.diag(matrices.covariance)
    assert (axis.centre_var, axis.speed_var, axis.size_var) == pytest.approx(
        tuple(variances), rel=1e-6, abs=1e-12
    )
    assert axis.both_var == pytest.approx(matrices.covariance[0, 1], rel=1e-6, abs=1e-12)
