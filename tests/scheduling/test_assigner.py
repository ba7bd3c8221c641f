"""Assignments of sessions that a plan serves, and of those that it leaves out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.profile.variant import LONG_SIDES, SENT_LONG_SIDES
from edge.scheduling.assigner import Assigner, plannable_share
from edge.scheduling.assignment import Assignment, Pins, SessionSnapshot
from edge.scheduling.draft import Draft
from edge.scheduling.picture_choice import PictureChooser
from edge.scheduling.plan import CycleStep, Plan
from edge.scheduling.planner import Planner
from edge.scheduling.solvers import solve
from tests.planning import accuracy, device
from tests.scheduling.test_planner import WIDE

PICTURES = PictureChooser("yolov4-tiny", LONG_SIDES, SENT_LONG_SIDES, accuracy())


def draft(*snapshots: SessionSnapshot, devices: int = 1, ms_at_608: float = 20.0) -> Draft:
    planner = Planner({"yolov4-tiny": LONG_SIDES}, accuracy())
    return planner.draft(snapshots, [device(ms_at_608)] * devices)


def assignments(made: Draft, *cycles: tuple[CycleStep, ...]) -> dict[str, Assignment]:
    plan = Plan(made.problem, "auto", "shared", cycles)
    return Assigner(PICTURES).assignments(made, plan)


def option(made: Draft, long_side: int) -> int:
    return next(i for i, each in enumerate(made.options) if each.long_side == long_side)


@pytest.mark.parametrize(("devices", "share"), [(0, 0.7), (1, 0.7), (4, 0.85), (9, 0.9)])
def test_more_devices_may_be_filled_further(devices: int, share: float) -> None:
    assert plannable_share(devices) == pytest.approx(share)


def test_a_served_session_has_its_variant_and_the_picture_for_it() -> None:
    made = draft(WIDE)
    (assignment,) = assignments(made, (CycleStep(option(made, 416), 1, (0,)),)).values()
    assert (assignment.variant, assignment.long_side) == ("yolov4-tiny-416", 416)
    assert assignment.gain == pytest.approx(0.0, abs=1e-6)  # 608 px, as now, is no better
    assert assignment.useful_bps > 0.0


def test_the_gain_is_that_of_changing_the_sent_size() -> None:
    made = draft(replace(WIDE, sent_long_side=128))
    (assignment,) = assignments(made, (CycleStep(option(made, 608), 1, (0,)),)).values()
    expected = PICTURES.f1("yolov4-tiny-608", 608, WIDE) - PICTURES.f1("yolov4-tiny-608", 128, WIDE)
    assert assignment.gain == pytest.approx(expected)


def test_pins_are_the_reason_where_there_are_any() -> None:
    made = draft(replace(WIDE, pins=Pins("yolov4-tiny-320", 256)))
    (assignment,) = assignments(made, (CycleStep(option(made, 320), 1, (0,)),)).values()
    assert assignment.reason == "pinned to 256 px by the operator; pinned by the operator"
    assert assignment.long_side == 256


def test_sessions_left_out_get_best_effort_until_half_of_the_headroom_is_used() -> None:
    # 128 px takes 2.2 ms at 50 fps: 11 % of the device; half of the headroom lets 85 % be used.
    sessions = [replace(WIDE, id=f"{n:02}", fps=50.0) for n in range(10)]
    made = draft(*sessions, ms_at_608=50.0)
    found = assignments(made, ())
    tried = [each for each in found.values() if each.variant == "yolov4-tiny-128"]
    refused = [each for each in found.values() if each.variant is None]
    assert (len(tried), len(refused)) == (7, 3)
    assert all("nearly full: nothing is promised" in each.reason for each in tried)
    assert {each.reason for each in refused} == {"not served: all 1 devices are full"}


def test_a_device_too_slow_for_a_single_session_is_not_left_idle() -> None:
    """On a host whose cores other programs hold, say: some of the frames can be answered."""
    made = draft(*(replace(WIDE, id=f"{n:02}", slo_ms=1500.0) for n in range(3)), ms_at_608=5_000.0)
    found = assignments(made, ())
    assert [each.variant for each in found.values()] == 3 * ["yolov4-tiny-128"]


def test_without_devices_nobody_is_served() -> None:
    (assignment,) = assignments(draft(WIDE, devices=0)).values()
    assert (assignment.variant, assignment.reason) == (None, "not served: no device is there")


def test_the_expected_accuracy_is_no_higher_for_an_option_that_a_session_has() -> None:
    """In the problem of its next plan that option counts for a little more than its F1."""
    planner = Planner({"yolov4-tiny": LONG_SIDES}, accuracy())
    found = []
    for _ in range(2):
        draft = planner.draft([WIDE], [device()])
        _, planned = planner.adopt(draft, solve(draft.problem, "auto", planner.rule))
        found.append((planned[WIDE.id].f1, planned[WIDE.id].f1_alone))
    assert found[0] == found[1]
    assert found[0][0] == found[0][1]
