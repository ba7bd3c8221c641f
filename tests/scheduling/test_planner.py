"""From snapshots to a problem, and from a plan to what each session is to do."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.profile.latency import LatencyProfile
from edge.profile.variant import LONG_SIDES, SENT_LONG_SIDES, Variant
from edge.scheduling.assignment import Assignment, Pins, SessionSnapshot
from edge.scheduling.fairness import least_share, solve_fairly
from edge.scheduling.planner import MAX_OPTIONS, Planner
from edge.scheduling.solvers import solve
from tests.planning import accuracy, device

WIDE = SessionSnapshot(
    id="a",
    slo_ms=100.0,
    fps=15.0,
    size=(16, 9),
    budget_ms=80.0,
    is_inference_measured=True,
    link_bps=4e6,
    sent_long_side=608,
)


def planner(long_sides: tuple[int, ...] = LONG_SIDES, max_batch: int = 8) -> Planner:
    return Planner({"yolov4-tiny": long_sides}, accuracy(), max_batch=max_batch)


def plan(
    snapshots: list[SessionSnapshot], profiles: list[LatencyProfile], by: Planner | None = None
) -> dict[str, Assignment]:
    by = by or planner()
    draft = by.draft(snapshots, profiles)
    return by.adopt(draft, solve(draft.problem, "auto", by.rule))[1]


def long_side_of(assignment: Assignment) -> int:
    assert assignment.variant is not None
    return Variant.parse(assignment.variant).long_side


def test_one_session_with_everything_gets_the_best() -> None:
    (assignment,) = plan([WIDE], [device()]).values()
    assert (assignment.variant, assignment.long_side) == ("yolov4-tiny-608", 608)
    assert assignment.gain == 0.0
    assert 0 < assignment.useful_bps < 4e6
    assert "sees more" in assignment.reason


def test_nobody_is_planned_for_nobody() -> None:
    assert plan([], [device()]) == {}


@pytest.mark.parametrize("devices", [1, 3, 4])
def test_copies_of_the_last_session_are_as_if_each_were_there(devices: int) -> None:
    profiles = [device()] * devices
    first, last = replace(WIDE, size=(4, 3)), replace(WIDE, id="b", link_bps=5e5)
    copied = planner().draft([first, last], profiles, copies=3)
    three = [last, *(replace(last, id=f"b {number}") for number in (1, 2))]
    each = planner().draft([first, *three], profiles)
    assert [client.budget_ms for client in copied.problem.clients] == [
        client.budget_ms for client in each.problem.clients
    ]
    assert [(c.fps, c.accuracy) for c in copied.problem.clients] == [
        (c.fps, c.accuracy) for c in each.problem.clients
    ]
    assert copied.sent_long_sides == each.sent_long_sides
    assert len(copied.snapshots) == len({client.id for client in copied.problem.clients}) == 4


def test_a_thin_link_is_worth_a_smaller_picture() -> None:
    thin = replace(WIDE, link_bps=120e3)
    (assignment,) = plan([thin], [device()]).values()
    assert assignment.long_side < 416
    assert assignment.gain > 0.05
    assert "in 120 kbit/s" in assignment.reason or "in 110 kbit/s" in assignment.reason


def test_little_time_means_a_small_variant_and_the_reason_says_so() -> None:
    (assignment,) = plan([replace(WIDE, budget_ms=14.0)], [device(ms_at_608=40.0)]).values()
    assert long_side_of(assignment) < 416
    assert "14 ms are left" in assignment.reason


def test_devices_untried_by_a_session_are_trusted_with_part_of_its_budget() -> None:
    slow = [device(ms_at_608=60.0)]
    (tried,) = plan([WIDE], slow).values()
    (untried,) = plan([replace(WIDE, is_inference_measured=False)], slow).values()
    assert long_side_of(untried) < long_side_of(tried)
    assert "starting small" in untried.reason


def test_many_share_and_the_reason_says_so() -> None:
    sessions = [replace(WIDE, id=str(number)) for number in range(8)]
    assignments = plan(sessions, [device()])
    assert len(assignments) == 8
    long_sides = {long_side_of(each) for each in assignments.values()}
    assert max(long_sides) < 608
    assert min(long_sides) >= 224
    assert all("shared with 7 other sessions" in each.reason for each in assignments.values())


@pytest.mark.parametrize(("devices", "least", "most"), [(1, 0.4, 0.7), (8, 0.7, 0.9)])
def test_devices_are_not_filled_to_the_brim_but_many_more_than_one(
    devices: int, least: float, most: float
) -> None:
    sessions = [replace(WIDE, id=str(number)) for number in range(10 * devices)]
    profile = device()
    busy = sum(
        each.fps * profile.typical_ms(name, Variant.parse(name).input_size(16, 9), 1) / 1000
        for each, name in zip(
            sessions,
            (a.variant or "" for a in plan(sessions, [profile] * devices).values()),
            strict=True,
        )
    )
    assert least < busy / devices <= most


def test_shapes_are_told_apart() -> None:
    tall = replace(WIDE, id="b", size=(9, 16))
    square = replace(WIDE, id="c", size=(1, 1))
    by = planner()
    draft = by.draft([WIDE, tall, square], [device()])
    sizes = {option.input_size for option in draft.options}
    assert {(608, 352), (352, 608), (608, 608)} <= sizes
    assert len(by.adopt(draft, solve(draft.problem))[1]) == 3


def test_endless_shapes_make_no_endless_problem() -> None:
    many = [replace(WIDE, id=str(n), size=(100, 20 + n)) for n in range(80)]
    assert len(planner().draft(many, [device()]).options) <= 96


def test_many_shapes_leave_everybody_an_long_side_that_serves() -> None:
    """As many as there may be sessions, each of its own shape; one is pinned besides."""
    shapes = [(1000 + 94 * n, 1000) for n in range(32)]
    shapes += [(height, width) for width, height in shapes]
    sessions = [
        replace(WIDE, id=str(n), size=size, budget_ms=30.0, fps=5.0)
        for n, size in enumerate(shapes)
    ]
    pinned = "yolov4-tiny-192"  # which is left out for the others
    sessions[5] = replace(sessions[5], pins=Pins(variant=pinned))
    by = planner()
    draft = by.draft(sessions, [device(ms_at_608=60.0)] * 4)
    assert len(draft.options) <= MAX_OPTIONS
    assignments = plan(sessions, [device(ms_at_608=60.0)] * 4, by)
    assert all(each.variant is not None for each in assignments.values())
    assert assignments["5"].variant == pinned


def test_whom_the_devices_cannot_take_is_told_so() -> None:
    sessions = [replace(WIDE, id=str(number), fps=30.0) for number in range(40)]
    assignments = plan(sessions, [device(ms_at_608=80.0)])
    refused = [each for each in assignments.values() if each.variant is None]
    assert 0 < len(refused) < 40
    assert {each.reason for each in refused} == {"not served: all 1 devices are full"}


def test_who_is_left_over_is_tried_in_half_of_what_is_left_to_bursts() -> None:
    """So that a moment's drift of a device ends nobody's service."""
    sessions = [replace(WIDE, id=str(number)) for number in range(40)]
    left_over = [
        (count, each)
        for count in range(1, 40)
        for each in plan(sessions[:count], [device(ms_at_608=80.0)]).values()
        if "nearly full: nothing is promised" in each.reason or each.variant is None
    ]
    tried = [count for count, each in left_over if each.variant == "yolov4-tiny-128"]
    refused = [count for count, each in left_over if each.variant is None]
    assert len(tried) + len(refused) == len(left_over)
    assert min(tried) < min(refused)


def test_without_devices_nobody_is_served() -> None:
    (assignment,) = plan([WIDE], []).values()
    assert assignment.variant is None
    assert "no device" in assignment.reason


def test_who_has_too_little_time_is_tried_with_the_fastest() -> None:
    (assignment,) = plan([replace(WIDE, budget_ms=-5.0)], [device()]).values()
    assert assignment.variant == "yolov4-tiny-128"
    assert "too few" in assignment.reason


def test_a_lost_device_lowers_everybody() -> None:
    sessions = [replace(WIDE, id=str(number)) for number in range(8)]
    by = planner()
    two = plan(sessions, [device(), device()], by)
    one = plan(sessions, [device()], by)
    assert sum(map(long_side_of, one.values())) < sum(map(long_side_of, two.values()))


def test_noise_does_not_move_a_plan() -> None:
    by = planner()
    profiles = [device()]
    first = plan([replace(WIDE, id=str(n), budget_ms=60.0) for n in range(6)], profiles, by)
    for step in range(10):
        noisy = [
            replace(
                WIDE, id=str(n), budget_ms=60.0 + (n * step) % 3, link_bps=4e6 + 1e4 * (step % 2)
            )
            for n in range(6)
        ]
        again = plan(noisy, profiles, by)
        assert {k: a.variant for k, a in again.items()} == {k: a.variant for k, a in first.items()}


def test_one_link_s_fall_leaves_the_others_alone() -> None:
    by = planner()
    profiles = [device(10.0), device(10.0)]
    sessions = [replace(WIDE, id=str(n), link_bps=1e6 * (n + 1)) for n in range(8)]
    before = plan(sessions, profiles, by)
    sessions[3] = replace(sessions[3], link_bps=150e3)
    after = plan(sessions, profiles, by)
    assert after["3"].long_side < before["3"].long_side
    assert after["3"].gain > 0
    for n in (0, 1, 2, 4, 5, 6, 7):
        assert after[str(n)].long_side == before[str(n)].long_side


snapshots = st.builds(
    SessionSnapshot,
    id=st.just(""),
    slo_ms=st.floats(20, 5000),
    fps=st.floats(1, 120),
    size=st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    budget_ms=st.floats(-500, 5000),
    is_inference_measured=st.booleans(),
    link_bps=st.floats(1e4, 1e9),
    sent_long_side=st.sampled_from((0, *SENT_LONG_SIDES)),
)


@settings(max_examples=40)
@given(st.lists(snapshots, max_size=6), st.integers(0, 3))
def test_everybody_gets_an_answer(sessions: list[SessionSnapshot], devices: int) -> None:
    sessions = [replace(each, id=str(number)) for number, each in enumerate(sessions)]
    assignments = plan(sessions, [device(batches=(1, 4))] * devices)
    assert set(assignments) == {each.id for each in sessions}
    for each in assignments.values():
        assert each.long_side in SENT_LONG_SIDES
        assert each.reason
        assert each.useful_bps >= 0.0


def test_long_sides_that_the_operator_left_out_are_not_used() -> None:
    (assignment,) = plan([WIDE], [device()], planner(long_sides=(224, 416))).values()
    assert assignment.variant == "yolov4-tiny-416"


@pytest.mark.parametrize("size", [(16, 9), (9, 16)])
def test_a_session_turned_round_is_worth_the_same(size: tuple[int, int]) -> None:
    (assignment,) = plan([replace(WIDE, size=size, link_bps=600e3)], [device()]).values()
    (wide,) = plan([replace(WIDE, link_bps=600e3)], [device()]).values()
    assert (assignment.variant, assignment.long_side) == (wide.variant, wide.long_side)


def test_a_full_device_whose_speed_wavers_does_not_move_a_plan() -> None:
    by = planner()
    sessions = [replace(WIDE, id=str(number), budget_ms=60.0) for number in range(8)]
    plans = []
    for step in range(20):
        profiles = [device(20.0 * (1.0 + 0.04 * (step % 2)))]
        plans.append([a.variant for a in plan(sessions, profiles, by).values()])
    assert sum(a != b for a, b in pairwise(plans)) <= 2


def test_a_plan_below_the_floor_does_not_stay_though_its_mean_is_higher() -> None:
    by = Planner({"yolov4-tiny": (128, 320, 608)}, accuracy(), accuracy_floor=0.0)
    snapshots = [replace(WIDE, id=name) for name in "abc"]
    draft = by.draft(snapshots, [device(40.0)])
    unfair, _ = by.adopt(draft, solve(draft.problem))
    assert unfair.served == 3
    assert least_share(unfair) < 0.5
    by.accuracy_floor = 0.7
    draft = by.draft(snapshots, [device(40.0)])
    plan, assignments = by.adopt(draft, solve_fairly(draft.problem, 0.7, solve))
    assert plan.accuracy < unfair.accuracy
    assert {long_side_of(each) for each in assignments.values()} == {320}
    draft = by.draft(snapshots, [device(40.0)])
    assert by.adopt(draft, solve(draft.problem))[0].variant_of == plan.variant_of
