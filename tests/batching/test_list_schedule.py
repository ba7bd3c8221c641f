"""Schedules by hand: which device, which option, which batch, and which frames are missed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from edge.batching.device_latencies import DeviceLatencies
from edge.batching.list_schedule import ListSchedule, WaitingFrame, list_schedule
from edge.batching.request import FrameRequest
from edge.profile.latency import LatencyProfile
from tests.batching.devices import cpu, gpu, names

SQUARE = (608, 608)


class Devices:
    """Waiting frames for the given devices."""

    def __init__(self, *profiles: LatencyProfile) -> None:
        self._latencies = DeviceLatencies(profiles, max_batch=8)
        self._count = 0

    def frame(
        self, end_by_ms: float, *long_sides: int, start_by_ms: float = math.inf
    ) -> WaitingFrame:
        options = self._latencies.options(names(*(long_sides or (608,))), SQUARE)
        assert options is not None
        self._count += 1
        request = FrameRequest(str(self._count), 0, SQUARE, 0.0, end_by_ms, ())
        return WaitingFrame(self._count, request, options, end_by_ms, start_by_ms)


def schedule(
    frames: Sequence[WaitingFrame],
    free_ms: Sequence[float] = (0.0,),
    cost_limit_ms: float = math.inf,
    *,
    fill_batches: bool = True,
    min_batch: int = 1,
    excluded: Sequence[WaitingFrame] = (),
) -> ListSchedule:
    return list_schedule(
        frames,
        free_ms,
        0.0,
        cost_limit_ms,
        fill_batches=fill_batches,
        min_batch=min_batch,
        excluded=frozenset(excluded),
    )


def batches(found: ListSchedule) -> list[tuple[int, str, int]]:
    """(device, variant's long side, size) of each."""
    return [
        (batch.device, batch.option.variant.rpartition("-")[2], len(batch.frames))
        for batch in found.batches
    ]


def test_no_frames_make_an_empty_schedule() -> None:
    assert schedule([]) == ListSchedule([], [], 0)


def test_a_frame_goes_to_the_device_that_ends_it_first() -> None:
    devices = Devices(cpu(40.0), cpu(30.0))
    frame = devices.frame(100.0)
    (batch,) = schedule([frame], [0.0, 5.0]).batches
    assert (batch.device, batch.start_ms) == (1, 5.0)
    assert batch.end_ms == pytest.approx(35.0)
    (batch,) = schedule([frame], [0.0, 15.0]).batches
    assert batch.device == 0
    assert batch.end_ms == pytest.approx(40.0)
    assert schedule([frame], [math.inf, math.inf]).missed == [frame]


def test_later_frames_count_with_the_time_that_earlier_ones_take() -> None:
    devices = Devices(cpu(40.0))
    frames = [devices.frame(ms) for ms in (50.0, 90.0, 110.0, 170.0)]
    found = schedule(frames)
    assert [batch.start_ms for batch in found.batches] == pytest.approx([0.0, 40.0, 80.0])
    assert found.missed == [frames[2]]
    assert (found.served, found.shortfall) == (3, (1, 0))


def test_a_frame_whose_time_is_short_gets_its_best_cheaper_option() -> None:
    devices = Devices(cpu(40.0))
    found = schedule([devices.frame(30.0, 608, 512, 416, 320)])
    assert batches(found) == [(0, "512", 1)]
    assert found.lowered == 0  # even an idle device could not have served 608 px
    queued = schedule([devices.frame(45.0), devices.frame(75.0, 608, 512)])
    assert batches(queued) == [(0, "608", 1), (0, "512", 1)]
    assert queued.lowered == 1


def test_the_cost_limit_bounds_every_option() -> None:
    devices = Devices(cpu(40.0))
    frame = devices.frame(100.0, 608, 416, 320)
    assert batches(schedule([frame], cost_limit_ms=20.0)) == [(0, "416", 1)]
    assert batches(schedule([frame], cost_limit_ms=1.0)) == [(0, "320", 1)]  # the cheapest


def test_batches_grow_up_to_the_first_deadline() -> None:
    devices = Devices(gpu())  # 8 ms a batch and 12 a frame
    frames = [devices.frame(45.0)] + [devices.frame(200.0) for _ in range(4)]
    assert batches(schedule(frames)) == [(0, "608", 3), (0, "608", 2)]


def test_batches_that_save_nothing_stay_single() -> None:
    devices = Devices(cpu(20.0))
    assert batches(schedule([devices.frame(200.0) for _ in range(3)])) == [(0, "608", 1)] * 3


def test_without_filling_a_frame_joins_only_where_no_other_device_ends_it_sooner() -> None:
    devices = Devices(gpu(), gpu())
    frames = [devices.frame(200.0) for _ in range(2)]
    assert batches(schedule(frames, [0.0, 0.0], fill_batches=False)) == [
        (0, "608", 1),
        (1, "608", 1),
    ]
    assert batches(schedule(frames, [0.0, 0.0])) == [(0, "608", 2)]
    assert batches(schedule(frames, [0.0, 100.0], fill_batches=False)) == [(0, "608", 2)]


def test_a_batch_leaves_time_for_an_urgent_frame_of_another_option() -> None:
    devices = Devices(gpu())
    first, last = devices.frame(50.0), devices.frame(200.0)
    relaxed = devices.frame(52.0, 576)  # takes 18.8 ms: it may start after two of 608 px
    assert batches(schedule([first, relaxed, last])) == [(0, "608", 2), (0, "576", 1)]
    urgent = devices.frame(50.5, 576)
    assert batches(schedule([first, urgent, last])) == [
        (0, "608", 1),
        (0, "576", 1),
        (0, "608", 1),
    ]


def test_a_frame_too_urgent_for_the_least_batch_is_missed() -> None:
    devices = Devices(gpu())
    frames = [devices.frame(25.0)] + [devices.frame(200.0) for _ in range(3)]
    assert batches(schedule(frames))[0] == (0, "608", 1)
    found = schedule(frames, min_batch=2)
    assert found.missed == frames[:1]
    assert batches(found) == [(0, "608", 3)]
    alone = schedule(frames[:1], min_batch=4)  # nothing else waits
    assert batches(alone) == [(0, "608", 1)]


def test_excluded_frames_are_neither_served_nor_missed() -> None:
    devices = Devices(gpu())
    frames = [devices.frame(100.0) for _ in range(3)]
    found = schedule(frames, excluded=[frames[0], frames[2]])
    assert [batch.frames for batch in found.batches] == [[frames[1]]]
    assert found.missed == []


def test_a_frame_that_would_be_superseded_before_its_turn_is_missed() -> None:
    devices = Devices(cpu(40.0))
    frames = [devices.frame(50.0), devices.frame(200.0, start_by_ms=30.0)]
    assert schedule(frames).missed == frames[1:]
    frames[1].start_by_ms = 40.0
    assert schedule(frames).missed == []


def test_the_callers_times_are_left_alone() -> None:
    free_ms = [3.0]
    schedule([Devices(cpu()).frame(100.0)], free_ms)
    assert free_ms == [3.0]
