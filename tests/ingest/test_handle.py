"""The server's handle of an ingest process, fed with the process' messages."""

from __future__ import annotations

import asyncio
from typing import cast

import numpy as np
import pytest

from edge.batching.dispatcher import Answer, InferenceJob
from edge.batching.request import FrameRequest
from edge.ingest.handle import SILENCE_S, IngestHandle
from edge.ingest.messages import (
    FrameAnswered,
    FrameDropped,
    FrameOffered,
    IngestSetup,
    IngestState,
    LinkStep,
    Message,
    Reply,
    SessionDead,
    TakePicture,
)
from edge.ingest.session_proxy import IngestLostError, SessionProxy
from edge.ipc.messages import Ready
from edge.ipc.picture import Picture
from edge.ipc.shared_memory import SharedPictures, slot_bytes
from edge.ipc.supervisor import ProcessState
from edge.observability.frame_metrics import FrameMetrics
from edge.scheduling.assignment import SessionSnapshot
from edge.session.interface import SessionIdentity, SessionOptions

BOX = (2, 0.5, 0.0, 0.0, 1.0, 1.0)


class FakeChild:
    """The messages sent to a process, and its slots."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.slots = SharedPictures.create(2, slot_bytes(64 * 64))

    def send(self, message: Message) -> None:
        self.sent.append(message)


class FakeSupervisor:
    """A process that never is: `child` records what is sent to it."""

    def __init__(self) -> None:
        self.child: FakeChild | None = FakeChild()
        self.state: ProcessState = "starting"
        self.given_up: list[str] = []
        self.silence_s: float | None = None
        self.pid, self.restarts = 7, 0

    @property
    def is_ready(self) -> bool:
        return self.state == "ready"

    def mark_ready(self) -> None:
        self.state = "ready"

    def expect_message(self, silence_s: float | None) -> None:
        self.silence_s = silence_s

    def give_up(self, reason: str) -> None:
        self.given_up.append(reason)

    def send(self, message: Message) -> None:
        if self.child is not None:
            self.child.send(message)


class IngestHandleStage:
    """A ready process with one session, "a"; frames that reach the frame sink are kept."""

    def __init__(self) -> None:
        self.offered: list[FrameRequest] = []
        self.removed: list[str] = []
        self.steps = 0
        self.close_requests: list[tuple[str, str]] = []
        setup = IngestSetup({}, 2, slot_bytes(64 * 64), 20, [])
        self.handle = IngestHandle(0, setup, self, on_step=self._step, metrics=FrameMetrics())
        self.supervisor = FakeSupervisor()
        self.handle._supervisor = self.supervisor  # type: ignore[assignment]
        self.session = self.add("a")
        self.handle.on_message(Ready())

    def offer(self, request: FrameRequest) -> None:
        self.offered.append(request)

    def remove(self, session: str) -> None:
        self.removed.append(session)

    def add(self, name: str) -> SessionProxy:
        session = SessionProxy(
            self.handle,
            SessionOptions(),
            identity=SessionIdentity(name, "etag"),
            snapshot=snapshot(name, 1e6),
            on_close_request=lambda _, *why: self.close_requests.append(why),
        )
        self.handle.enter(session)
        return session

    def frame(self, number: int, session: str = "a", slot: int = 0) -> FrameOffered:
        variants = ("yolov4-tiny-416",)
        return FrameOffered(number, session, slot, (32, 16), False, 90, 1.0, 99.0, variants)

    @property
    def sent(self) -> list[Message]:
        assert self.supervisor.child is not None
        return self.supervisor.child.sent

    def _step(self) -> None:
        self.steps += 1


def snapshot(name: str, bps: float) -> SessionSnapshot:
    return SessionSnapshot(name, 100.0, 15.0, (416, 234), 33.5, True, bps, 416)


@pytest.fixture
def stage() -> IngestHandleStage:
    return IngestHandleStage()


def test_a_ready_process_must_send_its_state_regularly(stage: IngestHandleStage) -> None:
    assert stage.handle.is_ready
    assert stage.supervisor.silence_s == SILENCE_S
    stage.supervisor.silence_s = None
    stage.handle.on_message(IngestState(0.5, 0.25, 3.0, 9, []))
    assert stage.supervisor.silence_s == SILENCE_S


def test_its_state_updates_the_load_and_the_snapshots(stage: IngestHandleStage) -> None:
    stage.add("b")
    assert stage.handle.unmeasured_sessions == 2
    stage.handle.on_message(IngestState(0.5, 0.25, 3.0, 9, [snapshot("a", 2e6)]))
    assert stage.handle.unmeasured_sessions == 1
    assert stage.session.snapshot(0.0) == snapshot("a", 2e6)
    status = stage.handle.status
    assert (status.busy, status.loop, status.lag_ms, status.tasks) == (0.5, 0.25, 3.0, 9)
    assert status.sessions == 2


def test_a_step_of_the_link_is_passed_on_with_its_snapshot(stage: IngestHandleStage) -> None:
    stage.handle.on_message(LinkStep(snapshot("a", 1e5)))
    stage.handle.on_message(LinkStep(snapshot("closed", 1e5)))
    assert stage.steps == 1
    assert stage.session.snapshot(0.0) == snapshot("a", 1e5)


def test_a_frame_reaches_the_intake_with_its_picture_and_its_end_the_process(
    stage: IngestHandleStage,
) -> None:
    child = stage.supervisor.child
    assert child is not None
    picture = Picture.from_rgb(np.full((16, 32, 3), 90, dtype=np.uint8))
    [slot] = child.slots.put([picture])
    stage.handle.on_message(stage.frame(1, slot=slot))
    stage.handle.on_message(stage.frame(2, slot=slot))
    jobs = [cast(InferenceJob, request.payload) for request in stage.offered]
    copied, expected = bytearray(picture.nbytes), bytearray(picture.nbytes)
    jobs[0].picture.write_into(memoryview(copied))
    picture.write_into(memoryview(expected))
    assert copied == expected
    assert (stage.offered[0].session, stage.offered[0].deadline_ms) == ("a", 99.0)
    jobs[0].answered(Answer("yolov4-tiny-416", 3, [BOX], 5.0, 8.0, 1))
    jobs[1].dropped("late")
    assert stage.sent == [
        FrameAnswered(1, "yolov4-tiny-416", 3, [BOX], 5.0, 8.0, 1),
        FrameDropped(2, "late"),
    ]


def test_an_answer_for_a_lost_process_does_not_reach_its_successor(
    stage: IngestHandleStage,
) -> None:
    stage.handle.on_message(stage.frame(1))
    former, stage.supervisor.child = stage.supervisor.child, FakeChild()
    cast(InferenceJob, stage.offered[0].payload).dropped("late")
    assert stage.sent == []
    assert former is not None
    assert former.sent == [FrameDropped(1, "late")]


def test_a_frame_of_a_closed_session_is_dropped(stage: IngestHandleStage) -> None:
    stage.handle.leave(stage.session)
    stage.handle.on_message(stage.frame(1))
    assert stage.offered == []
    assert stage.removed == ["a"]
    assert stage.sent == [FrameDropped(1, "stopped")]


@pytest.mark.parametrize("slot", [-1, 2])
def test_a_frame_outside_the_slots_costs_the_process_its_life(
    stage: IngestHandleStage, slot: int
) -> None:
    stage.handle.on_message(stage.frame(1, slot=slot))
    [reason] = stage.supervisor.given_up
    assert "can't be" in reason
    assert stage.offered == []


def test_a_message_that_only_the_server_sends_does_too(stage: IngestHandleStage) -> None:
    stage.handle.on_message(FrameDropped(1, "late"))
    [reason] = stage.supervisor.given_up
    assert "sent a dropped message" in reason


async def test_replies_reach_their_own_requests(stage: IngestHandleStage) -> None:
    first = asyncio.create_task(stage.handle.request(TakePicture(0, "a")))
    second = asyncio.create_task(stage.handle.request(TakePicture(0, "a")))
    await asyncio.sleep(0)
    numbers = [each.request for each in stage.sent if isinstance(each, TakePicture)]
    stage.handle.on_message(Reply(numbers[1], "second"))
    stage.handle.on_message(Reply(numbers[0], "first"))
    stage.handle.on_message(Reply(99, "nobody's"))
    assert [(await first).text, (await second).text] == ["first", "second"]


async def test_a_lost_process_ends_its_requests_and_sessions(stage: IngestHandleStage) -> None:
    request = asyncio.create_task(stage.handle.request(TakePicture(0, "a")))
    await asyncio.sleep(0)
    stage.supervisor.state = "lost"
    stage.handle.on_lost("was killed by SIGKILL")
    reason = "its ingest process was lost: it was killed by SIGKILL"
    with pytest.raises(IngestLostError, match=reason):
        await request
    assert stage.close_requests == [(reason, "timeout")]
    assert stage.removed == ["a"]
    assert stage.handle.status.sessions == 0
    with pytest.raises(IngestLostError):
        await stage.handle.request(TakePicture(0, "a"))


def test_a_session_that_must_be_closed_is_reported(stage: IngestHandleStage) -> None:
    stage.handle.on_message(SessionDead("a", "no media came", "timeout"))
    stage.handle.on_message(SessionDead("closed", "no media came", "timeout"))
    assert stage.close_requests == [("no media came", "timeout")]
