"""The server's handle of one ingest process: its sessions' messages, replaced when lost."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from edge.base.event_log import get_logger
from edge.batching.batcher import FrameRequest
from edge.batching.dispatcher import Answer, FrameSink, InferenceJob
from edge.ingest.messages import (
    CODEC,
    AddCandidates,
    CloseSession,
    FrameAnswered,
    FrameDropped,
    FrameOffered,
    IngestSetup,
    IngestState,
    LinkStep,
    Message,
    OpenSession,
    Reply,
    ResultText,
    SessionConnected,
    SessionDead,
    SessionViews,
    TakePicture,
)
from edge.ingest.session_proxy import IngestLostError, SessionProxy
from edge.ipc.child_process import Program
from edge.ipc.messages import Ready, Stop
from edge.ipc.shared_memory import SlotPicture
from edge.ipc.supervisor import ChildStartError, SupervisionPolicy, Supervisor
from edge.observability.frame_metrics import FrameMetrics

log = get_logger("edge.ingest")

COMMAND = (sys.executable, "-P", "-m", "edge.ingest")
SILENCE_S = 1.75  # without a message, then it hangs: its state is due four times a second
SUPERVISION = SupervisionPolicy(start_silence_s=60.0, stop_grace_s=1.5)


@dataclass(frozen=True, slots=True)
class IngestStatus:
    """An ingest process' status; `busy` is its share of a core, `loop` that of its event loop."""

    pid: int | None
    ready: bool
    sessions: int
    busy: float
    loop: float
    lag_ms: float
    tasks: int
    restarts: int

    def to_json(self) -> dict[str, Any]:
        """As the admin API and `/healthz` send it: without the process id."""
        return {name: value for name, value in asdict(self).items() if name != "pid"}


_NO_STATE = IngestState(0.0, 0.0, 0.0, 0, [])


class IngestHandle:
    """The server's handle of one ingest process and of the sessions in it.

    Everything happens on the event loop's thread. When the process is lost, its frames are dropped
    and its sessions end, and it is started anew; other processes are not affected.
    """

    def __init__(
        self,
        number: int,
        setup: IngestSetup,
        frame_sink: FrameSink,
        *,
        on_step: Callable[[], None],
        metrics: FrameMetrics,
    ) -> None:
        self._number = number
        self._setup = setup
        self._frame_sink = frame_sink
        self._on_step = on_step
        self._metrics = metrics
        self._sessions: dict[str, SessionProxy] = {}
        self._replies: dict[int, asyncio.Future[Reply]] = {}
        self._request_numbers = itertools.count(1)
        self._state = _NO_STATE
        self._measured: set[str] = set()  # sessions that its last state includes
        self._supervisor: Supervisor[Message] = Supervisor(
            Program(COMMAND, CODEC, setup.slots, setup.slot_bytes), SUPERVISION, self
        )

    @property
    def is_ready(self) -> bool:
        """Whether it takes sessions."""
        return self._supervisor.is_ready

    @property
    def status(self) -> IngestStatus:
        return IngestStatus(
            pid=self._supervisor.pid,
            ready=self.is_ready,
            sessions=len(self._sessions),
            busy=self._state.busy,
            loop=self._state.loop,
            lag_ms=self._state.lag_ms,
            tasks=self._state.tasks,
            restarts=self._supervisor.restarts,
        )

    @property
    def unmeasured_sessions(self) -> int:
        """Sessions that have come since it last sent its load."""
        return len(self._sessions.keys() - self._measured)

    async def start(self) -> None:
        """Start, and wait until it is ready; IngestLostError if it can't be."""
        try:
            await self._supervisor.start()
        except ChildStartError as error:
            raise IngestLostError(f"an ingest process {error}") from error

    async def stop(self) -> None:
        """End it, within seconds whatever it does."""
        await self._supervisor.stop(Stop())
        self._end_all("the server is stopping")

    # As the supervisor's owner

    def on_starting(self) -> Message:
        return self._setup

    def on_lost(self, reason: str) -> None:
        self._state, self._measured = _NO_STATE, set()
        log.warning("ingest_lost", number=self._number, reason=reason)
        self._end_all(f"its ingest process was lost: it {reason}")

    def _end_all(self, reason: str) -> None:
        replies, self._replies = self._replies, {}
        for reply in replies.values():
            if not reply.done():
                reply.set_exception(IngestLostError(reason))
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            self._frame_sink.remove(session.id)
            session.handle_lost(reason)

    # As its sessions' host (`edge.ingest.session_proxy.IngestHost`)

    def holds(self, session_id: str | None) -> bool:
        """Whether the session of this id is in its process."""
        return session_id in self._sessions

    def enter(self, session: SessionProxy) -> None:
        """A session is placed in this process."""
        self._sessions[session.id] = session

    def leave(self, session: SessionProxy) -> None:
        self._sessions.pop(session.id, None)
        self._frame_sink.remove(session.id)

    def send(self, message: Message) -> None:
        self._supervisor.send(message)

    async def request(
        self, message: OpenSession | AddCandidates | CloseSession | TakePicture
    ) -> Reply:
        if not self.is_ready:
            raise IngestLostError("its ingest process was lost")
        number = next(self._request_numbers)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[number] = future
        try:
            self.send(replace(message, request=number))
            return await future
        finally:
            self._replies.pop(number, None)

    def on_message(self, message: Message) -> None:
        match message:
            case FrameOffered():
                self._handle_frame(message)
            case IngestState():
                self._supervisor.expect_message(SILENCE_S)
                self._state = message
                for snapshot in message.snapshots:
                    self._measured.add(snapshot.id)
                    if (session := self._sessions.get(snapshot.id)) is not None:
                        session.latest_snapshot = snapshot
                self._measured &= self._sessions.keys()
            case SessionViews():
                for number, view in message.views.items():
                    if (session := self._sessions.get(number)) is not None:
                        session.latest_view = view
                if message.counts is not None:
                    self._metrics.merge(message.counts)
            case LinkStep():
                if (session := self._sessions.get(message.snapshot.id)) is not None:
                    session.latest_snapshot = message.snapshot
                    self._on_step()
            case SessionConnected():
                if (session := self._sessions.get(message.session)) is not None:
                    session.connected = True
            case Reply():
                future = self._replies.get(message.request)
                if future is not None and not future.done():
                    future.set_result(message)
            case SessionDead():
                if (session := self._sessions.get(message.session)) is not None:
                    session.handle_close_request(message.reason, message.code)
            case ResultText():
                if (session := self._sessions.get(message.session)) is not None:
                    session.handle_text(message.stream, message.text, message.skipped)
            case Ready():
                self._supervisor.mark_ready()
                self._supervisor.expect_message(SILENCE_S)
            case _:
                self._supervisor.give_up(f"sent a {message.type} message, as only the server may")

    def _handle_frame(self, message: FrameOffered) -> None:
        child = self._supervisor.child
        assert child is not None, "messages come from a child"
        if message.session not in self._sessions:
            child.send(FrameDropped(message.frame, "stopped"))  # its session has been closed
            return
        try:
            picture = SlotPicture(child.slots, message.slot, message.size, message.full_range)
        except ValueError as error:
            self._supervisor.give_up(f"sent a frame that can't be: {error}")
            return

        def answered(answer: Answer) -> None:
            child.send(
                FrameAnswered(
                    message.frame,
                    answer.variant,
                    answer.batch,
                    list(answer.boxes),
                    answer.dispatched_ms,
                    answer.inferred_ms,
                    answer.device,
                )
            )

        self._frame_sink.offer(
            FrameRequest(
                session=message.session,
                rtp=message.rtp,
                size=message.size,
                ready_ms=message.ready_ms,
                deadline_ms=message.deadline_ms,
                variants=message.variants,
                payload=InferenceJob(
                    picture,
                    answered=answered,
                    dropped=lambda reason: child.send(FrameDropped(message.frame, reason)),
                ),
            )
        )
