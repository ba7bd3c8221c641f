"""The server's proxy of a session in an ingest process."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from edge.ingest.messages import (
    AddCandidates,
    ApplyAction,
    CloseSession,
    Message,
    OpenSession,
    Reply,
    SetAssignment,
    Subscribe,
    TakePicture,
    Unsubscribe,
)
from edge.ipc.messages import MessageError
from edge.rtc.sdp import SdpError
from edge.scheduling.assignment import Assignment, SessionSnapshot
from edge.session.control.actions import Change
from edge.session.interface import OnCloseRequest, SessionIdentity, SessionOptions
from edge.session.registry.full_error import FullError
from edge.session.results.result_streams import (
    QUEUE,
    STREAMS,
    Listener,
    ResultQueue,
    TooManyStreamsError,
    put_newest,
)
from edge.session.view import SessionView

_STREAM_NUMBERS = itertools.count()


class IngestLostError(Exception):
    """The ingest process has ended; the message is the reason."""


class IngestHost(Protocol):
    """The ingest process that a session is in."""

    def send(self, message: Message) -> None:
        """Send, if the process is still there."""

    async def request(
        self, message: OpenSession | AddCandidates | CloseSession | TakePicture
    ) -> Reply:
        """Send and wait for the reply; IngestLostError if the process ends before that."""

    def leave(self, session: SessionProxy) -> None:
        """The session has ended."""


class SessionProxy:
    """The server's end of a session that lives in an ingest process.

    `latest_snapshot` and `latest_view` are as its process last sent them, some times a second.
    """

    def __init__(
        self,
        host: IngestHost,
        options: SessionOptions,
        *,
        identity: SessionIdentity,
        snapshot: SessionSnapshot,
        on_close_request: OnCloseRequest,
    ) -> None:
        self.id, self.etag = identity.id, identity.etag
        self.name = self.id[:6]
        self.label = options.label
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.latest_snapshot = snapshot
        self.latest_view = SessionView(
            name=self.name,
            label=self.label,
            state="connecting",
            age_s=0.0,
            slo_ms=snapshot.slo_ms,
            models=snapshot.networks,
        )
        self.connected = False
        self.assignment: Assignment | None = None
        self._host = host
        self._on_close_request = on_close_request
        self._options = options
        self._streams: dict[int, Listener] = {}  # at most STREAMS
        self._ended = False

    async def answer(self, offer: str) -> str:
        try:
            reply = await self._host.request(
                OpenSession(0, self.id, self.etag, self._options, offer)
            )
        except IngestLostError as error:
            raise FullError("lost", f"{error}: try again") from error
        except MessageError as error:
            raise SdpError("bad_sdp", str(error)) from error
        if reply.code:
            raise SdpError(reply.code, reply.text)
        return reply.text

    async def add_candidates(self, fragment: str) -> None:
        try:
            reply = await self._host.request(AddCandidates(0, self.id, fragment))
        except IngestLostError:
            return  # the session is being ended
        except MessageError as error:
            raise SdpError("bad_candidates", str(error)) from error
        if reply.code:
            raise SdpError(reply.code, reply.text)

    @contextmanager
    def subscribe(self) -> Iterator[ResultQueue]:
        queue = ResultQueue(QUEUE)
        lost = 0  # on the way here

        def put(text: str | None, skipped: int) -> None:
            nonlocal lost
            if skipped > lost:
                queue.skipped += skipped - lost
                lost = skipped
            put_newest(queue, text)

        leave = self.follow(put)
        try:
            yield queue
        finally:
            leave()

    def follow(self, listener: Listener) -> Callable[[], None]:
        if len(self._streams) >= STREAMS:
            raise TooManyStreamsError(STREAMS)
        number = next(_STREAM_NUMBERS)
        self._streams[number] = listener
        if self._ended:
            listener(None, 0)
        self._host.send(Subscribe(self.id, number))

        def leave() -> None:
            if self._streams.pop(number, None) is not None:
                self._host.send(Unsubscribe(number))

        return leave

    def tick(self, now: float) -> None:
        """Nothing to do: its process has a timer of its own."""

    def snapshot(self, now_ms: float) -> SessionSnapshot:
        return self.latest_snapshot

    def view(self, now_ms: float) -> SessionView:
        return self.latest_view

    async def last_picture(self) -> str | None:
        try:
            return (await self._host.request(TakePicture(0, self.id))).text or None
        except IngestLostError:
            return None

    def act(self, action: Change) -> None:
        self._host.send(ApplyAction(self.id, action))

    def assign(self, assignment: Assignment, now_ms: float) -> None:
        if assignment != self.assignment:
            self.assignment = assignment
            self._host.send(SetAssignment(self.id, assignment))

    async def close(self, reason: str, code: str = "ended") -> None:
        try:
            reply = await self._host.request(CloseSession(0, self.id, reason, code))
            self.outcomes.update(reply.outcomes)
        except IngestLostError:
            pass
        self._end_streams()
        self._host.leave(self)

    # Messages from its process

    def handle_text(self, stream: int, text: str | None, skipped: int = 0) -> None:
        """The next text of one of its event streams; `skipped` texts of it were lost in the
        session's process so far."""
        if (listener := self._streams.get(stream)) is not None:
            listener(text, skipped)

    def handle_close_request(self, reason: str, code: str) -> None:
        """The session should be closed."""
        self._on_close_request(self, reason, code)

    def handle_lost(self, reason: str) -> None:
        """Its process has ended, and the session with it."""
        self._end_streams()
        self._on_close_request(self, reason, "timeout")

    def _end_streams(self) -> None:
        self._ended = True
        for listener in [*self._streams.values()]:
            listener(None, 0)
