"""An ingest process' main program: sessions on an event loop, started as `-m edge.ingest`."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.clips.writer import ClipWriter
from edge.config import Settings
from edge.ingest.frame_forwarder import FrameForwarder
from edge.ingest.messages import (
    CODEC,
    AddCandidates,
    ApplyAction,
    CloseSession,
    FrameAnswered,
    FrameDropped,
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
    SetAssignment,
    Subscribe,
    TakePicture,
    Unsubscribe,
)
from edge.ipc.messages import MessageError, Ready, Stop
from edge.ipc.parent_watch import die_with_parent
from edge.ipc.pipe import MAX_MESSAGE_BYTES, Pipe
from edge.ipc.shared_memory import SharedPictures
from edge.models.registry.registry import ModelRegistry
from edge.observability import garbage_collector
from edge.observability.event_loop import EventLoopMonitor
from edge.observability.frame_metrics import FrameMetrics
from edge.observability.garbage_collector import MemoryReclaimer
from edge.observability.logs import Logs
from edge.rtc.sdp import SdpError, shortage
from edge.session.interface import SessionIdentity
from edge.session.results.result_streams import TooManyStreamsError
from edge.session.session import Session
from edge.session.session_adaptation import SessionAdaptation

log = get_logger("edge.ingest")

TICK_MS = 100.0
STATE_EVERY_MS = 250.0
VIEWS_EVERY_MS = 1_000.0
CLIPS_STOP_S = 0.5  # for clips that wait for the disk
_SNAPSHOTS = 64  # a message
_VIEWS = 32
_MAX_UNREAD = 256  # messages that the server has not read; beyond, event streams lose texts


def main(arguments: Sequence[str]) -> int:
    """Run sessions until the server stops it or is gone; returns the exit code.

    `arguments`: the numbers of the inherited socket and memory, and the server's process id.
    """
    socket_fd, memory_fd, server_pid = (int(argument) for argument in arguments)
    die_with_parent(server_pid)
    connection = socket.socket(fileno=socket_fd)
    setup = CODEC.decode(connection.recv(MAX_MESSAGE_BYTES))
    if not isinstance(setup, IngestSetup):
        return 1
    settings = Settings(**setup.settings)
    try:  # the server rotates the file
        logs = Logs(
            settings.log_format, level=setup.log_level, file=settings.log_file, file_bytes=None
        )
    except OSError:
        logs = Logs(settings.log_format, level=setup.log_level)
    try:
        return asyncio.run(_run(connection, setup, memory_fd))
    finally:
        logs.close()


async def _run(connection: socket.socket, setup: IngestSetup, memory_fd: int) -> int:
    slots = SharedPictures(memory_fd, setup.slots, setup.slot_bytes)
    runtime = IngestRuntime(connection, setup, slots)
    garbage_collector.freeze()
    return await runtime.run()


class IngestRuntime:
    """The sessions of this process, and the pipe to the server."""

    def __init__(
        self, connection: socket.socket, setup: IngestSetup, slots: SharedPictures
    ) -> None:
        self._settings = Settings(**setup.settings)
        self._models = ModelRegistry(setup.models)
        self._pipe: Pipe[Message] = Pipe(
            connection,
            encode=CODEC.encode,
            decode=CODEC.decode,
            on_message=self._handle,
            on_closed=self._handle_server_gone,
            on_fault=lambda reason: self._handle_server_gone(),
        )
        self._frames = FrameForwarder(slots, self._pipe.send)
        self._sessions: dict[str, Session] = {}
        self._streams: dict[int, Callable[[], None]] = {}  # by number, what ends each
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._code = 0
        self._metrics = FrameMetrics()
        clips = self._settings.clips
        self._clips = None if clips is None else ClipWriter(clips)
        self._used_s = self._state_ms = self._views_ms = 0.0
        self._busy = 0.0
        self._event_loop = EventLoopMonitor()

    async def run(self) -> int:
        """Run until the server stops it or is gone; returns the exit code."""
        self._used_s, self._state_ms = time.process_time(), now_ms()  # the start does not count
        self._pipe.send(Ready())
        ticker = asyncio.create_task(self._tick())
        await self._stop.wait()
        ticker.cancel()
        for task in [*self._tasks]:
            task.cancel()
        # Also where the server was killed: the publishers connect again to the next one.
        closing = (
            session.close("the server is stopping", "draining")
            for session in self._sessions.values()
        )
        await asyncio.gather(*closing, return_exceptions=True)
        if self._clips is not None:
            await asyncio.to_thread(self._clips.stop, CLIPS_STOP_S)
        return self._code

    def _handle_server_gone(self) -> None:
        self._pipe.close()
        self._code = 1
        self._stop.set()

    def _handle(self, message: Message) -> None:
        match message:
            case FrameAnswered() | FrameDropped():
                try:
                    self._frames.handle_end(message)
                except Exception:  # one session's error does not concern the others
                    log.exception("frame_end_failed")
            case OpenSession():
                self._open(message)
            case AddCandidates():
                self._spawn(self._add_candidates(message))
            case CloseSession():
                self._spawn(self._close(message))
            case SetAssignment():
                if (session := self._sessions.get(message.session)) is not None:
                    session.assign(message.assignment, now_ms())
            case ApplyAction():
                if (session := self._sessions.get(message.session)) is not None:
                    session.act(message.action)
            case TakePicture():
                self._spawn(self._send_picture(message))
            case Subscribe():
                self._relay(message)
            case Unsubscribe():
                if (leave := self._streams.pop(message.stream, None)) is not None:
                    leave()
            case Stop():
                self._stop.set()
            case _:
                log.error("unexpected", type=message.type)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(self._tasks.discard)

    def _open(self, message: OpenSession) -> None:
        """Synchronous: the next message may already be the session's assignment."""
        try:
            session = self._sessions[message.session] = self._make(message)
        except Exception as error:
            self._refuse(message, error)
        else:
            self._spawn(self._answer(message, session))

    def _make(self, message: OpenSession) -> Session:
        settings = self._settings
        models = self._models.serving(message.options.model)
        session = Session(  # a local variable, as `on_step` refers to it
            settings,
            self._frames,
            SessionAdaptation.of(settings, models, message.options.pins, message.options.start_bps),
            message.options,
            models=models,
            on_close_request=lambda session, *why: self._pipe.send(SessionDead(session.id, *why)),
            on_connected=lambda: self._pipe.send(SessionConnected(message.session)),
            on_step=lambda: self._pipe.send(LinkStep(session.snapshot(now_ms()))),
            identity=SessionIdentity(message.session, message.etag),
            metrics=self._metrics,
            former=self._sessions.get(message.options.replaces or ""),
            clips=self._clips,
        )
        return session

    async def _answer(self, message: OpenSession, session: Session) -> None:
        try:
            self._pipe.send(Reply(message.request, await session.answer(message.offer)))
        except SdpError as error:
            self._pipe.send(Reply(message.request, str(error), error.code))
        except Exception as error:
            self._refuse(message, error)

    def _refuse(self, message: OpenSession, error: Exception) -> None:
        """For a reason that is the server's own."""
        if isinstance(error, OSError):
            log.warning("open_failed", session=message.session[:6], error=error)
            told = shortage(error)
            self._pipe.send(Reply(message.request, str(told), told.code))
            return
        log.exception("open_failed", session=message.session[:6])
        text = "the server could not answer this offer; its log says why"
        self._pipe.send(Reply(message.request, text, "unanswerable"))

    async def _add_candidates(self, message: AddCandidates) -> None:
        reply = Reply(message.request)
        if (session := self._sessions.get(message.session)) is not None:
            try:
                await session.add_candidates(message.fragment)
            except SdpError as error:
                reply = Reply(message.request, str(error), error.code)
            except Exception as error:  # the server waits for a reply
                log.exception("trickle_failed", session=session.name)
                text = f"these candidates can't be used: {error}"
                reply = Reply(message.request, text, "bad_candidates")
        self._pipe.send(reply)

    async def _close(self, message: CloseSession) -> None:
        outcomes: dict[str, int] = {}
        if (session := self._sessions.pop(message.session, None)) is not None:
            try:
                await session.close(message.reason, message.code)
            except Exception:
                log.exception("close_failed", session=session.name)
            outcomes = dict(session.outcomes)
        self._pipe.send(Reply(message.request, outcomes=outcomes))

    async def _send_picture(self, message: TakePicture) -> None:
        session = self._sessions.get(message.session)
        try:
            text = None if session is None else await session.last_picture()
            self._pipe.send(Reply(message.request, text or ""))
        except MessageError:  # a JPEG of noise may be too long for a message
            self._pipe.send(Reply(message.request))
        except Exception:
            log.exception("look_failed", session=message.session[:6])
            self._pipe.send(Reply(message.request))

    def _relay(self, message: Subscribe) -> None:
        """Send an event stream's texts to the server; it opens at most STREAMS a session.

        Drop rule: while the server has left `_MAX_UNREAD` messages unread, the newest.
        """
        stream, send = message.stream, self._pipe.send
        unread = 0

        def relay(text: str | None, skipped: int) -> None:
            nonlocal unread
            if text is None or self._pipe.queued < _MAX_UNREAD:
                send(ResultText(message.session, stream, text, skipped + unread))
            else:
                unread += 1

        session = self._sessions.get(message.session)
        try:
            if session is not None:
                self._streams[stream] = session.follow(relay)
                return
        except TooManyStreamsError:
            pass
        send(ResultText(message.session, stream, None))

    async def _tick(self) -> None:
        due_ms = now_ms() + TICK_MS
        memory = MemoryReclaimer()
        while True:
            await asyncio.sleep(max(0.0, due_ms - now_ms()) / 1000.0)
            now = now_ms()
            self._event_loop.observe(now - due_ms, time.thread_time(), now)
            for session in list(self._sessions.values()):
                try:
                    session.tick(now)
                except Exception:  # one session's error does not concern the others
                    log.exception("tick_failed", session=session.name)
            try:
                if now - self._state_ms >= STATE_EVERY_MS:
                    self._send_state(now)
                if now - self._views_ms >= VIEWS_EVERY_MS and not self._pipe.queued:
                    self._views_ms = now
                    self._send_views(now)
                    memory.observe(now)
            except Exception:  # the ticks must go on
                log.exception("state_failed")
            due_ms = max(due_ms + TICK_MS, now)

    def _send_state(self, now: float) -> None:
        used_s = time.process_time()
        busy = 1000.0 * (used_s - self._used_s) / (now - self._state_ms)
        self._busy += 0.5 * (busy - self._busy)
        self._used_s, self._state_ms = used_s, now
        if self._pipe.queued:  # the last one has not been read yet
            return
        loop, tasks = self._event_loop, len(asyncio.all_tasks())
        snapshots = [session.snapshot(now) for session in self._sessions.values()]
        for start in range(0, max(1, len(snapshots)), _SNAPSHOTS):
            part = snapshots[start : start + _SNAPSHOTS]
            self._pipe.send(IngestState(self._busy, loop.cpu.mean, loop.lag_ms, tasks, part))

    def _send_views(self, now: float) -> None:
        sessions = list(self._sessions.values())
        for start in range(0, len(sessions), _VIEWS):
            some = sessions[start : start + _VIEWS]
            self._pipe.send(SessionViews({session.id: session.view(now) for session in some}))
        if self._clips is not None:
            self._metrics.clipped(self._clips.take_counts())
        self._pipe.send(SessionViews({}, self._metrics.drain()))
