"""The counts of all frames: each has one outcome and belongs to one class."""

import pytest

from analysis.simulator.components.frame import FrameTally, SimulatedFrame


def frame(reachable: bool = True) -> SimulatedFrame:
    return SimulatedFrame(0, 1, 100.0, 320, 1e6, 15.0, reachable)


@pytest.mark.parametrize(
    ("outcome", "reachable", "infeasible", "counted"),
    [
        ("in_time", True, False, "feasible"),
        ("in_time", True, True, "feasible"),  # it was in time all the same
        ("late", True, False, "feasible"),
        ("late", True, True, "network"),
        ("late", False, False, "unreachable"),
        ("overload", False, True, "unreachable"),
    ],
)
def test_a_frame_belongs_to_one_class(
    outcome: str, reachable: bool, infeasible: bool, counted: str
) -> None:
    tally = FrameTally()
    tally.count(frame(reachable), outcome, 0.0, infeasible=infeasible)
    classes = {name: getattr(tally, name) for name in ("feasible", "network", "unreachable")}
    assert classes == {name: int(name == counted) for name in classes}
    assert tally.outcomes == {outcome: 1}


def test_misses_are_feasible_frames_that_were_not_in_time() -> None:
    tally = FrameTally()
    for outcome in ("in_time", "late", "overload", "overload"):
        tally.count(frame(), outcome, 0.5 * (outcome == "in_time"), infeasible=False)
    tally.count(frame(), "late", 0.0, infeasible=True)
    assert tally.misses == {"late": 1, "overload": 2}
    assert (tally.f1_reachable, tally.f1_feasible) == (0.5, 0.5)


def test_network_time_is_from_capture_to_the_last_packet() -> None:
    captured = frame()
    captured.received_ms = 140.0
    assert captured.network_ms == 40.0
