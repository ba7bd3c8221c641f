"""One phone beside busy loops: what is promised of its frames."""

from __future__ import annotations

from analysis.bench.busy.figures import BusyDemo, promises

SUMMARY = {
    "captured": 300,
    "in_time": 150,
    "late": 60,
    "dropped": {"paced": 50, "overload": 40},
    "latency_ms": {"p50": 60.0, "p90": 90.0, "p99": 150.0},
}


def kept(*demos: BusyDemo, admitted: tuple[int, ...] = ()) -> list[bool | None]:
    return [each.kept for each in promises(demos, admitted)]


def demo(loops: int, answered: int, in_time: int) -> BusyDemo:
    return BusyDemo(loops, 300, answered, in_time, {}, 50.0, 90.0)


def test_answered_late_is_tried() -> None:
    read = BusyDemo.of(8, SUMMARY)
    assert (read.answered, read.in_time, read.captured) == (210, 150, 300)
    assert (read.p50_ms, read.p99_ms) == (60.0, 150.0)
    assert read.dropped == {"paced": 50, "overload": 40}


def test_beside_eight_loops_two_thirds_are_tried_and_half_in_time() -> None:
    assert kept(demo(8, 200, 150)) == [True]
    assert kept(demo(8, 199, 150)) == [False]
    assert kept(demo(8, 250, 149)) == [False]


def test_beside_four_nearly_all_are_in_time() -> None:
    assert kept(demo(0, 300, 299), demo(4, 299, 285)) == [True, True]
    assert kept(demo(4, 299, 284)) == [False]


def test_the_same_number_is_admitted_in_each_start() -> None:
    assert kept(admitted=(3, 3, 3)) == [True]
    assert kept(admitted=(3, 2, 3)) == [False]
