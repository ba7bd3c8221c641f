"""One ingest process kept alive: started, spoken with, watched, and replaced when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from edge.batching.batcher import FrameRequest
from edge.batching.dispatcher import Answer, Intake, Job
from edge.ingest.messages import (
    Answered,
    Close,
    Dead,
    Dropped,
    FrameOffered,
    IngestSetup,
    LinkStep,
    Message,
    Open,
    Ready,
    Reply,
    ResultText,
    SessionState,
    Stop,
    TakePicture,
    Trickle,
    Views,
    decode,
    encode,
)
from edge.ingest.pictures import SlotPicture
from edge.ingest.placement import Busyness
from edge.ingest.remote_session import LostError, RemoteSession
from edge.ipc.child_process import ChildProcess
from edge.ipc.shared_memory import SharedPictures
from edge.observability.metrics_data import FrameMetrics

log = logging.getLogger("edge.ingest")

COMMAND = (sys.executable, "-P", "-m", "edge.ingest")
START_S = 60.0  # until it is ready, at most
SILENT_S = 10.0  # without a word: it hangs. It tells its state several times a second
START_ATTEMPTS = 3  # of the first start; after that it is restarted for ever
RESTART_FIRST_S, RESTART_MOST_S = 0.25, 30.0  # the delay doubles with each loss in a row
STEADY_S = 30.0  # after so long without a loss the delay is short again
STOP_GRACE_S, KILL_S = 1.5, 1.5


@dataclass(frozen=True, slots=True)
class IngestStatus:
    """An ingest process as an operator sees it; `busy` is its share of a core, `loop` that of its
    event loop alone."""

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


class IngestProcess:
    """A process that sessions live in.

    Everything happens on the event loop's thread. Frames in a lost process' memory are dropped,
    its sessions are told to be lost, and it is started anew; other processes' are not touched.
    """

    def __init__(
        self,
        number: int,
        setup: IngestSetup,
        intake: Intake,
        *,
        on_step: Callable[[], None],
        metrics: FrameMetrics,
    ) -> None:
        self.restarts = 0
        self.ready = False
        self._number = number
        self._setup = setup
        self._intake = intake
        self._on_step = on_step
        self._metrics = metrics
        self._child: ChildProcess[Message] | None = None
        self._sessions: dict[str, RemoteSession] = {}
        self._asked: dict[int, asyncio.Future[Reply]] = {}
        self._numbers = itertools.count(1)
        self._state = SessionState(0.0, 0.0, 0.0, 0, [])
        self._measured: set[str] = set()  # sessions that were there when it last told its state
        self._watch: asyncio.TimerHandle | None = None
        self._reason = ""
        self._lost = asyncio.Event()
        self._started: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def status(self) -> IngestStatus:
        return IngestStatus(
            pid=None if self._child is None or self._child.lost else self._child.pid,
            ready=self.ready,
            sessions=len(self._sessions),
            busy=self._state.busy,
            loop=self._state.loop,
            lag_ms=self._state.lag_ms,
            tasks=self._state.tasks,
            restarts=self.restarts,
        )

    @property
    def busyness(self) -> Busyness:
        newcomers = len(self._sessions.keys() - self._measured)
        return Busyness(self._state.busy, len(self._sessions), newcomers)

    # Its life

    async def start(self) -> None:
        """Start, and wait until it is ready; LostError if it can't be."""
        self._started = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep_alive(), name=f"edge-ingest-{self._number}")
        await asyncio.wait({self._started, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not self._started.done():
            raise LostError("stopped before it was ready")
        self._started.result()

    async def stop(self) -> None:
        """End it, within seconds whatever it does."""
        self._stopping, self.ready = True, False
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._child is not None:
            self._child.send(Stop())
            await self._child.end(STOP_GRACE_S, KILL_S)
        self._watch_for(None)
        self._end_all("the server is stopping")

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        losses = attempts = 0
        while True:
            self._lost.clear()
            began_s = loop.time()
            try:
                self._child = self._launch()
            except OSError as error:
                self._handle_loss(f"can't be started: {error}")
            await self._lost.wait()
            if self._child is not None:
                await self._child.end(0.0, KILL_S)
                self._child = None
            attempts += 1
            if self._started is not None and not self._started.done():
                if attempts >= START_ATTEMPTS:
                    self._started.set_exception(LostError(f"an ingest process {self._reason}"))
                    return
            elif loop.time() - began_s >= STEADY_S:
                losses = 0
            losses += 1
            await asyncio.sleep(min(RESTART_MOST_S, RESTART_FIRST_S * 2.0 ** min(losses - 1, 32)))
            self.restarts += 1

    def _launch(self) -> ChildProcess[Message]:
        child: ChildProcess[Message] = ChildProcess(
            SharedPictures.create(self._setup.slots, self._setup.slot_bytes),
            encode=encode,
            decode=decode,
            on_message=self._handle,
            on_lost=self._handle_loss,
            command=COMMAND,
        )
        self._watch_for(START_S)
        child.send(self._setup)
        return child

    def _handle_loss(self, reason: str) -> None:
        self.ready, self._reason = False, reason
        self._watch_for(None)
        self._state, self._measured = SessionState(0.0, 0.0, 0.0, 0, []), set()
        if not self._stopping:
            log.warning("event=ingest_lost number=%d reason=%r", self._number, reason)
        self._end_all(f"its ingest process was lost: it {reason}")
        self._lost.set()

    def _end_all(self, reason: str) -> None:
        asked, self._asked = self._asked, {}
        for future in asked.values():
            if not future.done():
                future.set_exception(LostError(reason))
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            self._intake.remove(session.id)
            session.lost(reason)

    def _watch_for(self, silence_s: float | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if silence_s is not None:
            loop = asyncio.get_running_loop()
            self._watch = loop.call_later(silence_s, self._silent, silence_s)

    def _silent(self, silence_s: float) -> None:
        watch, child = self._watch, self._child
        if child is not None and not child.lost:
            child.read()  # if this loop itself was late, a word may be there by now
            if self._watch is watch:
                child.lose(f"gave no sign of life for {silence_s:.0f} s")

    # What its sessions ask (`edge.ingest.remote_session.Host`)

    def enter(self, session: RemoteSession) -> None:
        """A session that is to be in this process."""
        self._sessions[session.id] = session

    def leave(self, session: RemoteSession) -> None:
        self._sessions.pop(session.id, None)
        self._intake.remove(session.id)

    def send(self, message: Message) -> None:
        if self._child is not None:
            self._child.send(message)

    async def ask(self, message: Open | Trickle | Close | TakePicture) -> Reply:
        if not self.ready:
            raise LostError("its ingest process was lost")
        number = next(self._numbers)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            self.send(replace(message, ask=number))
            return await future
        finally:
            self._asked.pop(number, None)

    # What the process says

    def _handle(self, message: Message) -> None:
        match message:
            case FrameOffered():
                self._handle_frame(message)
            case SessionState():
                self._watch_for(SILENT_S)
                self._state = message
                for snapshot in message.snapshots:
                    self._measured.add(snapshot.id)
                    if (session := self._sessions.get(snapshot.id)) is not None:
                        session.known = snapshot
                self._measured &= self._sessions.keys()
            case Views():
                for number, view in message.views.items():
                    if (session := self._sessions.get(number)) is not None:
                        session.seen = view
                if message.counts is not None:
                    self._metrics.merge(message.counts)
            case LinkStep():
                if (session := self._sessions.get(message.snapshot.id)) is not None:
                    session.known = message.snapshot
                    self._on_step()
            case Reply():
                future = self._asked.get(message.ask)
                if future is not None and not future.done():
                    future.set_result(message)
            case Dead():
                if (session := self._sessions.get(message.session)) is not None:
                    session.die(message.reason, message.code)
            case ResultText():
                any(each.text(message.stream, message.text) for each in self._sessions.values())
            case Ready():
                self.ready = True
                self._watch_for(SILENT_S)
                if self._started is not None and not self._started.done():
                    self._started.set_result(None)
            case _:
                self._give_up(f"sent a {message.type} message, which only the server sends")

    def _handle_frame(self, message: FrameOffered) -> None:
        child = self._child
        assert child is not None, "messages come from a child"
        if message.session not in self._sessions:
            child.send(Dropped(message.frame, "no_plan"))  # its session is gone
            return
        try:
            picture = SlotPicture(child.slots, message.slot, message.size, message.full_range)
        except ValueError as error:
            self._give_up(f"sent a frame that can't be: {error}")
            return

        def answered(answer: Answer) -> None:
            child.send(
                Answered(
                    message.frame,
                    answer.variant,
                    answer.batch,
                    list(answer.boxes),
                    answer.dispatched_ms,
                    answer.inferred_ms,
                    answer.device,
                )
            )

        self._intake.offer(
            FrameRequest(
                session=message.session,
                rtp=message.rtp,
                size=message.size,
                ready_ms=message.ready_ms,
                deadline_ms=message.deadline_ms,
                variants=message.variants,
                payload=Job(
                    picture,
                    answered=answered,
                    dropped=lambda reason: child.send(Dropped(message.frame, reason)),
                ),
            )
        )

    def _give_up(self, reason: str) -> None:
        if self._child is not None:
            self._child.lose(reason)
