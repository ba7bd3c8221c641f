"""Latency: what is measured, in which order, and what is made of the samples."""

import random
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.profile.latency import LatencyEntry, LatencyProfile
from profiles.latency_measurement import (
    LatencyCase,
    PartialFileError,
    SampleSeries,
    cases,
    entries,
    measure,
    read_series,
    schedule,
    writer,
)

TINY = "yolov4-tiny-416"


def test_each_input_is_measured_once() -> None:
    found = cases(["yolov4-tiny-128", TINY], batches=[1, 2])
    inputs = {(case.variant, case.input_size) for case in found}
    assert (TINY, (416, 256)) in inputs
    assert (TINY, (256, 416)) in inputs
    assert (TINY, (416, 320)) in inputs
    assert (TINY, (416, 416)) in inputs
    # At 128 pixels, 16:9 and 4:3 need the same input.
    assert {size for name, size in inputs if name == "yolov4-tiny-128"} == {
        (128, 96), (96, 128), (128, 128),
    }  # fmt: skip
    assert len(found) == 2 * len(inputs) == 14
    assert next(c.picture for c in found if c.input_size == (416, 256)) == (416, 234)


def test_each_round_visits_each_case_in_another_order() -> None:
    wanted = cases([TINY], batches=[1, 2])
    order = schedule(wanted, [], 3)
    rounds = [order[place : place + len(wanted)] for place in range(0, len(order), len(wanted))]
    assert [set(each) for each in rounds] == [set(wanted)] * 3
    assert rounds[0] != rounds[1]
    assert schedule(wanted, [], 3) == order


def test_what_was_done_is_not_done_again() -> None:
    wanted = cases([TINY], batches=[1, 2])
    first = [_of(case) for case in schedule(wanted, [], 3)[:11]]
    rest = schedule(wanted, first, 3)
    assert len(rest) == 3 * len(wanted) - 11
    counts = [sum(v.key == case.key for v in first) + rest.count(case) for case in wanted]
    assert counts == [3] * len(wanted)


@pytest.mark.parametrize(("ms", "expected"), [(1.0, 20), (60.0, 9), (400.0, 4)])
async def test_short_batches_are_run_more_often_and_the_first_never_counts(
    ms: float, expected: int
) -> None:
    (case,) = cases([TINY], [(1, 1)], [1])
    times = iter([900.0, *[ms] * 100])

    async def run(_case: LatencyCase) -> float:
        return next(times)

    assert (await measure(run, case)).samples_ms == (ms,) * expected


def test_p50_is_the_median_and_p99_covers_that_share_of_a_steady_device() -> None:
    rng = random.Random(1)
    wanted = cases([f"yolov4-tiny-{long_side}" for long_side in range(128, 609, 32)], [(1, 1)], [1])

    def draw(case: LatencyCase) -> float:
        return case.input_size[0] / 10 * rng.lognormvariate(0.0, 0.1)

    done = [
        SampleSeries(*case.key, tuple(draw(case) for _ in range(15)))
        for case in wanted
        for _ in range(5)
    ]
    for entry, case in zip(entries(done), wanted, strict=True):
        assert entry.p50_ms == pytest.approx(case.input_size[0] / 10, rel=0.05)
        share = sum(draw(case) <= entry.p99_ms for _ in range(2000)) / 2000
        assert 0.96 <= share <= 1.0


def test_one_hiccup_does_not_spoil_its_entry() -> None:
    wanted = cases([f"yolov4-tiny-{long_side}" for long_side in range(128, 609, 32)], [(1, 1)], [1])
    done = [SampleSeries(*case.key, (20.0,) * 60) for case in wanted]
    done[3] = SampleSeries(*wanted[3].key, (20.0,) * 59 + (300.0,))
    assert max(entry.p99_ms for entry in entries(done)) < 21


def test_an_entry_that_is_unsteady_itself_says_so() -> None:
    wanted = cases([f"yolov4-tiny-{long_side}" for long_side in range(128, 609, 32)], [(1, 1)], [1])
    done = [SampleSeries(*case.key, (20.0,) * 60) for case in wanted]
    done[3] = SampleSeries(*wanted[3].key, (20.0,) * 55 + (60.0,) * 5)
    found = {(e.variant, e.width, e.height, e.batch): e for e in entries(done)}
    assert found[wanted[3].key].p99_ms == 60


samples = st.lists(st.floats(0.05, 5000.0), min_size=1, max_size=8).map(tuple)


@given(st.lists(st.tuples(st.sampled_from(cases([TINY, "yolov4-tiny-128"])), samples), min_size=1))
def test_whatever_was_measured_makes_a_profile(
    measured: list[tuple[LatencyCase, tuple[float, ...]]],
) -> None:
    done = [SampleSeries(*case.key, ms) for case, ms in measured]
    found = entries(done)
    assert {(e.variant, e.width, e.height, e.batch) for e in found} == {v.key for v in done}
    for entry in found:
        key = (entry.variant, entry.width, entry.height, entry.batch)
        own = [ms for v in done if v.key == key for ms in v.samples_ms]
        assert entry.p50_ms == pytest.approx(median(own), abs=0.001)
        assert entry.p99_ms >= entry.p50_ms
    profile = LatencyProfile(found)
    row = profile.latency_row(found[0].variant, (416, 416))
    assert all(low <= high for low, high in pairwise(row))


class TestPartialFiles:
    def test_visits_come_back(self, tmp_path: Path) -> None:
        path = tmp_path / "p.json.part"
        assert read_series(path) == []
        write = writer(path)
        done = [_of(case) for case in cases([TINY])]
        for each in done:
            write(each)
        assert read_series(path) == done

    def test_a_line_cut_in_two_is_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "p.json.part"
        write = writer(path)
        for case in cases([TINY], batches=[1])[:2]:
            write(_of(case))
        path.write_text(path.read_text()[:-9])
        assert len(read_series(path)) == 1

    def test_nonsense_is_refused_by_its_line(self, tmp_path: Path) -> None:
        path = tmp_path / "p.json.part"
        path.write_text("{}\n")
        with pytest.raises(PartialFileError, match="p.json.part:1:.*variant"):
            read_series(path)


def _of(case: LatencyCase) -> SampleSeries:
    return SampleSeries(*case.key, (1.0, 2.0))


def test_entries_are_sorted_as_people_read() -> None:
    done = [_of(case) for case in cases(["yolov4-tiny-416", "yolov4-tiny-128"], batches=[2, 1])]
    found: list[LatencyEntry] = entries(done)
    long_sides = [int(entry.variant.rpartition("-")[2]) for entry in found]
    assert long_sides == sorted(long_sides)
    assert [entry.batch for entry in found[:2]] == [1, 2]
