"""Batches go to workers and their results to sessions; every frame gets exactly one callback."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from edge.batching import dispatcher as module
from edge.batching.batcher import Batcher
from edge.batching.dispatcher import Answer, Dispatcher, InferenceJob
from edge.batching.request import FrameRequest
from edge.ipc.picture import Packable
from edge.ipc.shared_memory import NoFreeSlotError
from edge.models.boxes import Box
from edge.profile.latency import LatencyProfile
from edge.workers.handle import BatchFailure, BatchResult
from edge.workers.pool import WorkerPool
from tests.batching.devices import cpu, names

BOX: Box = (2, 0.9, 0.1, 0.1, 0.2, 0.2)


class Clock:
    def __init__(self) -> None:
        self.ms = 1000.0

    def __call__(self) -> float:
        return self.ms


class FakePool:
    """Keeps what is submitted; refuses while `refusal` is set."""

    def __init__(self, *profiles: LatencyProfile) -> None:
        self.profiles = list(profiles)
        self.submitted: list[tuple[int, int, str, int]] = []
        self.refusal: Exception | None = None

    def submit(self, device: int, number: int, variant: str, pictures: Sequence[Packable]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.submitted.append((device, number, variant, len(pictures)))


class Stage:
    """A dispatcher with fake workers, and the callbacks of all frames."""

    def __init__(self, *profiles: LatencyProfile) -> None:
        self.pool = FakePool(*profiles)
        self.dispatcher = Dispatcher(cast(WorkerPool, self.pool), Batcher(self.pool.profiles))
        self.answers: list[tuple[str, Answer]] = []
        self.drops: list[tuple[str, str]] = []
        self.dropped = asyncio.Event()

    def offer(self, session: str, clock: Clock, budget_ms: float = 200.0) -> None:
        def on_drop(reason: str) -> None:
            self.drops.append((session, reason))
            self.dropped.set()

        job = InferenceJob(
            cast(Packable, object()),
            answered=lambda answer: self.answers.append((session, answer)),
            dropped=on_drop,
        )
        self.dispatcher.offer(
            FrameRequest(session, 0, (608, 608), clock.ms, clock.ms + budget_ms, names(608), job)
        )

    def finish(self, clock: Clock, *boxes: list[Box], device_ms: float = 40.0) -> None:
        device, number, _, _ = self.pool.submitted[-1]
        result = BatchResult(list(boxes), clock.ms - device_ms, clock.ms, device_ms)
        self.dispatcher.done(device, number, result)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "now_ms", clock)
    return clock


async def test_a_frame_goes_to_the_device_and_its_answer_to_the_session(clock: Clock) -> None:
    stage = Stage(cpu(46.0))
    stage.offer("a", clock)
    assert stage.pool.submitted == [(0, 0, "yolov4-tiny-608", 1)]
    assert stage.dispatcher.in_flight == 1
    clock.ms += 50.0
    stage.finish(clock, [BOX])
    expected = Answer("yolov4-tiny-608", 1, [BOX], 1000.0, 1050.0, 0)
    assert stage.answers == [("a", expected)]
    assert stage.drops == []
    assert stage.dispatcher.in_flight == 0
    usage = stage.dispatcher.usage[0]
    assert (usage.busy_ms, usage.frames, usage.batches) == (50.0, 1, 1)


async def test_the_device_s_part_and_the_host_s_part_of_the_latency_are_learnt_apart(
    clock: Clock,
) -> None:
    stage = Stage(cpu(46.0))
    for _ in range(5):
        stage.offer("a", clock)
        clock.ms += 66.0
        stage.finish(clock, [], device_ms=46.0)
    profile = stage.pool.profiles[0]
    assert profile.latency_ms("yolov4-tiny-608", (608, 608), 1) == pytest.approx(66.0, abs=0.5)
    half = profile.latency_ms("yolov4-tiny-416", (416, 416), 1)
    assert half == pytest.approx(20.0 + 46.0 * (416 / 608) ** 2, abs=0.5)


async def test_the_next_batch_starts_when_one_ends(clock: Clock) -> None:
    stage = Stage(cpu(46.0))
    stage.offer("a", clock)
    stage.offer("b", clock)
    assert (len(stage.pool.submitted), stage.dispatcher.waiting) == (1, 1)
    stage.finish(clock, [])
    assert (len(stage.pool.submitted), stage.dispatcher.waiting) == (2, 0)


async def test_the_frames_of_a_failed_batch_are_dropped(clock: Clock) -> None:
    stage = Stage(cpu(46.0))
    stage.offer("a", clock)
    stage.dispatcher.done(0, 0, BatchFailure("worker died"))
    assert stage.drops == [("a", "failed")]
    stage.dispatcher.done(0, 0, BatchFailure("reported twice"))
    assert stage.drops == [("a", "failed")]


async def test_frames_that_the_pool_refuses_are_dropped_and_the_next_is_tried(
    clock: Clock,
) -> None:
    stage = Stage(cpu(46.0))
    stage.pool.refusal = NoFreeSlotError("full")
    stage.offer("a", clock)
    assert stage.drops == [("a", "failed")]
    assert stage.dispatcher.in_flight == 0
    stage.pool.refusal = None
    stage.offer("b", clock)
    assert len(stage.pool.submitted) == 1


async def test_one_session_s_defect_costs_no_other_its_answer(clock: Clock) -> None:
    stage = Stage(cpu(46.0))

    def raises(_answer: Answer) -> None:
        raise RuntimeError("defect")

    job = InferenceJob(cast(Packable, object()), answered=raises, dropped=lambda _reason: None)
    variants = names(608)
    request = FrameRequest("a", 0, (608, 608), clock.ms, clock.ms + 200.0, variants, job)
    stage.dispatcher.offer(request)
    stage.offer("b", clock)
    stage.finish(clock, [])
    stage.finish(clock, [BOX])
    assert [session for session, _ in stage.answers] == ["b"]


async def test_a_frame_expires_by_the_timer_without_any_other_event(clock: Clock) -> None:
    stage = Stage(cpu(46.0))
    stage.offer("a", clock)
    stage.offer("b", clock, budget_ms=50.0)  # to be started within 2 ms
    clock.ms += 10.0
    async with asyncio.timeout(10):
        await stage.dropped.wait()
    assert stage.drops == [("b", "overload")]
    stage.dispatcher.close()


async def test_a_lost_device_gets_nothing_until_it_is_back(clock: Clock) -> None:
    stage = Stage(cpu(46.0))
    stage.dispatcher.device_state(0, ready=False)
    stage.offer("a", clock)
    assert stage.pool.submitted == []
    stage.dispatcher.device_state(0, ready=True)
    assert len(stage.pool.submitted) == 1


async def test_the_waiting_frame_of_a_session_that_left_is_dropped(clock: Clock) -> None:
    stage = Stage(cpu(46.0))
    stage.offer("a", clock)
    stage.offer("b", clock)
    stage.dispatcher.remove("b")
    assert stage.drops == [("b", "stopped")]
    stage.dispatcher.close()


async def test_draining_refuses_frames_and_waits_for_those_in_flight(clock: Clock) -> None:
    stage = Stage(cpu(46.0))
    stage.offer("a", clock)
    draining = asyncio.create_task(stage.dispatcher.drain(timeout_s=60.0))
    await asyncio.sleep(0)
    stage.offer("b", clock)
    assert stage.drops == [("b", "no_plan")]
    assert not draining.done()
    stage.finish(clock, [])
    async with asyncio.timeout(10):
        await draining
    assert [session for session, _ in stage.answers] == ["a"]


async def test_draining_gives_up_after_its_time(clock: Clock) -> None:
    stage = Stage(cpu(46.0))
    stage.offer("a", clock)
    await stage.dispatcher.drain(timeout_s=0.0)
    assert stage.dispatcher.in_flight == 1


async def test_a_drop_that_a_session_cannot_take_costs_no_other_its_frame(clock: Clock) -> None:
    stage = Stage(cpu(46.0))
    stage.offer("b", clock)

    def fail(_reason: str) -> None:
        raise RuntimeError("defect")

    job = InferenceJob(cast(Packable, object()), answered=lambda _answer: None, dropped=fail)
    for _ in range(2):  # the second supersedes the first, in the mailbox
        stage.dispatcher.offer(
            FrameRequest("a", 0, (608, 608), clock.ms, clock.ms + 200.0, names(608), job)
        )
    stage.dispatcher.remove("a")
    stage.finish(clock, [BOX])
    assert [session for session, _ in stage.answers] == ["b"]
    assert stage.dispatcher.waiting == stage.dispatcher.in_flight == 0


async def test_a_picture_that_cannot_be_packed_costs_its_batch_alone(clock: Clock) -> None:
    stage = Stage(cpu(46.0))
    stage.pool.refusal = TypeError("not a picture")
    stage.offer("a", clock)
    assert stage.drops == [("a", "failed")]
    stage.pool.refusal = None
    stage.offer("b", clock)
    stage.finish(clock, [BOX])
    assert [session for session, _ in stage.answers] == ["b"]


async def test_frames_go_to_what_is_loaded_and_to_nothing_else(clock: Clock) -> None:
    stage = Stage(cpu(46.0))
    loaded: set[str] = set()
    stage.dispatcher = Dispatcher(
        cast(WorkerPool, stage.pool), Batcher(stage.pool.profiles), loaded.__contains__
    )
    stage.offer("a", clock)
    assert stage.drops == [("a", "no_plan")]
    assert stage.pool.submitted == []
    loaded.add("yolov4-tiny")
    stage.offer("a", clock)
    assert [variant for _, _, variant, _ in stage.pool.submitted] == list(names(608))
