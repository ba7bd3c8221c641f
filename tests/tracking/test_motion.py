"""The Kalman filter of all tracks."""

from __future__ import annotations

import numpy as np
import pytest

from edge.tracking.motion import Motion

ROW = np.array([0])


def walked(step_s: float, until_s: float, speed: float = 0.1) -> Motion:
    """A thing that moves to the right, seen every `step_s`."""
    motion = Motion.of(0.0, np.array([[0.1, 0.5, 0.05, 0.2]]))
    for index in range(1, round(until_s / step_s) + 1):
        at_s = index * step_s
        motion.update(ROW, at_s, np.array([[0.1 + speed * at_s, 0.5, 0.05, 0.2]]))
    return motion


@pytest.mark.parametrize("step_s", [0.04, 0.1, 0.4])
def test_speed_is_a_second_whatever_the_frame_rate(step_s: float) -> None:
    motion = walked(step_s, until_s=2.0)
    assert motion.speed[0, 0] == pytest.approx(0.1, rel=0.1)
    assert motion.places_at(2.5)[0] == pytest.approx([0.35, 0.5, 0.05, 0.2], abs=0.01)


def test_a_gap_makes_the_next_box_count_for_more() -> None:
    """The place of something that was hidden for long is what is seen, not what was expected."""
    soon, late = walked(0.1, 1.0), walked(0.1, 1.0)
    soon.update(ROW, 1.1, np.array([[0.4, 0.5, 0.05, 0.2]]))
    late.update(ROW, 2.0, np.array([[0.4, 0.5, 0.05, 0.2]]))
    assert 0.21 < soon.place[0, 0] < late.place[0, 0]
    assert late.place[0, 0] == pytest.approx(0.4, abs=0.02)


def test_uncertainty_never_turns_negative() -> None:
    motion = walked(0.01, 5.0)
    assert (motion.place_var > 0).all()
    assert (motion.speed_var >= 0).all()
    assert (motion.place_var * motion.speed_var >= motion.both_var**2).all()


def test_rows_are_kept_and_added_together() -> None:
    motion = Motion.of(0.0, np.array([[0.1, 0.5, 0.1, 0.1], [0.9, 0.5, 0.1, 0.1]]))
    motion.keep(np.array([False, True]))
    motion.append(Motion.of(1.0, np.array([[0.3, 0.3, 0.1, 0.1]])))
    assert len(motion) == 2
    assert motion.at_s.tolist() == [0.0, 1.0]
    assert motion.places_at(1.0)[:, 0].tolist() == [0.9, 0.3]
