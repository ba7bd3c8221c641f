"""Shortages: cheaper variants first, then larger batches, then fairness between sessions."""

from __future__ import annotations

import math

from edge.batching.device_latencies import DeviceLatencies
from edge.batching.list_schedule import ListSchedule
from edge.batching.load_estimator import LoadEstimator
from edge.batching.mailbox import Mailbox
from edge.batching.request import FrameRequest
from edge.batching.schedule_search import ScheduleSearch
from edge.profile.latency import LatencyProfile
from tests.batching.devices import cpu, gpu, names

SQUARE = (608, 608)


class Waiting:
    """Frames that wait for one device."""

    def __init__(self, profile: LatencyProfile) -> None:
        self.latencies = DeviceLatencies([profile], max_batch=8)
        self.load = LoadEstimator(self.latencies)
        self.mailbox = Mailbox()
        self.search = ScheduleSearch(self.latencies, self.load, self.mailbox, margin_ms=0.0)

    def put(self, session: str, deadline_ms: float, *long_sides: int) -> None:
        variants = names(*long_sides)
        options = self.latencies.options(variants, SQUARE)
        assert options is not None
        self.load.observe(session, options, 0.0, deadline_ms)
        request = FrameRequest(session, 0, SQUARE, 0.0, deadline_ms, variants)
        self.mailbox.put(
            request,
            options,
            end_by_ms=deadline_ms,
            latest_start_ms=deadline_ms,
            superseded_ms=math.inf,
        )

    def run(self, now_ms: float = 0.0) -> ListSchedule:
        return self.search.run([now_ms], now_ms)


def served(schedule: ListSchedule) -> list[str]:
    return [frame.request.session for batch in schedule.batches for frame in batch.frames]


def variants(schedule: ListSchedule) -> set[str]:
    return {batch.option.variant for batch in schedule.batches}


def test_without_a_shortage_everybody_has_the_best() -> None:
    waiting = Waiting(cpu(40.0))
    waiting.put("a", 100.0, 608, 416)
    waiting.put("b", 100.0, 608, 416)
    assert variants(waiting.run()) == {"yolov4-tiny-608"}


def test_in_a_shortage_all_get_something_cheaper_rather_than_some_nothing() -> None:
    waiting = Waiting(cpu(40.0))
    for session in "abcd":
        waiting.put(session, 100.0, 608, 512, 416, 320)
    schedule = waiting.run()
    assert schedule.missed == []
    assert variants(schedule) == {"yolov4-tiny-416"}  # 18.7 ms; 512 px takes 28.4


def test_a_search_is_not_repeated_at_once_but_its_result_is_used() -> None:
    waiting = Waiting(cpu(40.0))
    for session in "abcd":
        waiting.put(session, 100.0, 608, 416)
    assert variants(waiting.run(0.0)) == {"yolov4-tiny-416"}
    assert variants(waiting.run(0.1)) == {"yolov4-tiny-416"}


def test_the_most_urgent_frame_gives_way_to_larger_batches_where_that_serves_more() -> None:
    waiting = Waiting(gpu())  # 8 ms a batch and 12 a frame
    waiting.put("urgent", 21.0, 608)
    for index in range(5):  # 68 ms in one batch; after the urgent one, 64 ms for three of them
        waiting.put(str(index), 70.0, 608)
    assert sorted(served(waiting.run())) == ["0", "1", "2", "3", "4"]


def test_a_session_that_lost_much_goes_before_one_that_lost_little() -> None:
    waiting = Waiting(cpu(40.0))
    waiting.put("rich", 50.0, 608)
    waiting.put("poor", 55.0, 608)
    assert served(waiting.run()) == ["rich"]
    for _ in range(5):
        waiting.load.record("poor", dispatched=False)
    schedule = waiting.run(5.0)
    assert served(schedule) == ["poor"]
