"""Sessions of several networks: each has its own, and a family leaves the plan a choice."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from edge.profile.variant import LONG_SIDES, Variant
from edge.scheduling.assignment import Assignment, Pins, SessionSnapshot
from edge.scheduling.planner import Planner
from edge.scheduling.solvers import solve
from tests.planning import accuracy, device

from .test_planner import WIDE

BOTH = ("yolov4-tiny", "yolov4")
TINY_SEES = 0.6  # of what YOLOv4 sees


def plan(snapshots: list[SessionSnapshot]) -> dict[str, Assignment]:
    planner = Planner(dict.fromkeys(BOTH, LONG_SIDES), accuracy(TINY_SEES))
    draft = planner.draft(snapshots, [device(full=8.0)])
    return planner.adopt(draft, solve(draft.problem, "auto", planner.rule))[1]


def network(assignment: Assignment) -> str:
    assert assignment.variant is not None
    return Variant.parse(assignment.variant).network


def test_each_session_is_served_with_the_model_that_it_asked_for() -> None:
    made = plan(
        [
            replace(WIDE, id="t", fps=5.0, networks=("yolov4-tiny",)),
            replace(WIDE, id="y", fps=5.0, networks=("yolov4",)),
        ]
    )
    assert {key: network(each) for key, each in made.items()} == {"t": "yolov4-tiny", "y": "yolov4"}


def test_without_a_wish_it_is_the_default() -> None:
    (assignment,) = plan([WIDE]).values()
    assert network(assignment) == "yolov4-tiny"


def test_the_plan_takes_the_larger_network_of_a_family_where_there_is_time_for_it() -> None:
    roomy = replace(WIDE, slo_ms=400.0, budget_ms=380.0, fps=3.0, networks=BOTH)
    (assignment,) = plan([roomy]).values()
    assert network(assignment) == "yolov4"
    (assignment,) = plan([replace(roomy, budget_ms=15.0)]).values()
    assert network(assignment) == "yolov4-tiny"


def test_more_sessions_of_a_family_leave_the_larger_network_to_fewer() -> None:
    roomy = replace(WIDE, slo_ms=400.0, budget_ms=380.0, fps=3.0, networks=BOTH)
    alone = plan([roomy])
    many = plan([replace(roomy, id=str(number), fps=10.0) for number in range(8)])
    assert [network(each) for each in alone.values()] == ["yolov4"]
    assert "yolov4-tiny" in {network(each) for each in many.values()}


def test_a_pin_of_another_model_changes_nothing() -> None:
    mine = replace(WIDE, networks=("yolov4-tiny",))
    pinned = replace(mine, pins=Pins(variant="yolov4-tiny-320"))
    (assignment,) = plan([pinned]).values()
    assert assignment.variant == "yolov4-tiny-320"


def test_frames_too_late_for_the_planned_variant_fall_to_faster_ones_of_either_network() -> None:
    sight = accuracy(TINY_SEES)
    roomy = replace(WIDE, slo_ms=400.0, budget_ms=380.0, fps=3.0, networks=BOTH)
    (assignment,) = plan([roomy]).values()
    assert network(assignment) == "yolov4"
    profile = device(full=8.0)

    def latency_ms(name: str) -> float:
        return profile.latency_ms(name, Variant.parse(name).input_size(*roomy.size), 1)

    def f1(name: str) -> float:
        return sight.f1(name, assignment.long_side, roomy.link_bps, roomy.fps)

    chain = [assignment.variant or "", *assignment.fallbacks]
    assert {Variant.parse(name).network for name in assignment.fallbacks} == set(BOTH)
    for better, worse in pairwise(chain):
        assert latency_ms(worse) < latency_ms(better)
        assert f1(worse) <= f1(better)
    every = [Variant(name, side).name for name in BOTH for side in LONG_SIDES]
    for name in set(every) - set(chain):  # left out: something in the list is faster and sees more
        assert any(latency_ms(c) <= latency_ms(name) and f1(c) >= f1(name) for c in chain)


def test_a_session_of_one_model_falls_back_within_it() -> None:
    (assignment,) = plan([replace(WIDE, networks=("yolov4",))]).values()
    assert assignment.fallbacks == ()
