"""A session in an ingest process, as the server's own process holds it."""

from __future__ import annotations

import asyncio
import collections
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from edge.ingest.messages import (
    Act,
    Assign,
    Close,
    Message,
    MessageError,
    Open,
    Reply,
    Subscribe,
    TakePicture,
    Trickle,
    Unsubscribe,
)
from edge.rtc.sdp import SdpError
from edge.scheduling.assignment import Assignment, Snapshot
from edge.session.actions import Change
from edge.session.interface import OnCloseRequest, SessionIdentity, SessionOptions
from edge.session.registry import FullError
from edge.session.result_streams import QUEUE, STREAMS, TooManyStreamsError, put_newest
from edge.session.view import SessionView

_STREAM_NUMBERS = itertools.count()


class LostError(Exception):
    """The ingest process has ended; the message says how."""


class Host(Protocol):
    """The ingest process that a session is in."""

    def send(self, message: Message) -> None:
        """Send, if it is still there."""

    async def ask(self, message: Open | Trickle | Close | TakePicture) -> Reply:
        """Send and wait for the reply; LostError if the process ends before."""

    def leave(self, session: RemoteSession) -> None:
        """It has ended."""


class RemoteSession:
    """The server's end of a session; what it decides itself, it decides in its process.

    `known` is its snapshot and `seen` the operator's view of it, as its process tells them some
    times a second; made up until then.
    """

    def __init__(
        self,
        host: Host,
        options: SessionOptions,
        *,
        identity: SessionIdentity,
        known: Snapshot,
        on_close_request: OnCloseRequest,
    ) -> None:
        self.id, self.etag = identity.id, identity.etag
        self.name = self.id[:6]
        self.label = options.label
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.known = known
        self.seen = SessionView(
            name=self.name, label=self.label, state="connecting", age_s=0.0, slo_ms=known.slo_ms
        )
        self.assignment: Assignment | None = None
        self._host = host
        self._on_close_request = on_close_request
        self._options = options
        self._streams: dict[int, asyncio.Queue[str | None]] = {}  # at most STREAMS
        self._ended = False

    # As the server sees it

    async def answer(self, offer: str) -> str:
        try:
            reply = await self._host.ask(Open(0, self.id, self.etag, self._options, offer))
        except LostError as error:
            raise FullError("lost", f"{error}: try again") from error
        except MessageError as error:
            raise SdpError("bad_sdp", str(error)) from error
        if reply.code:
            raise SdpError(reply.code, reply.text)
        return reply.text

    async def add_candidates(self, fragment: str) -> None:
        try:
            reply = await self._host.ask(Trickle(0, self.id, fragment))
        except LostError:
            return  # the session is being ended
        except MessageError as error:
            raise SdpError("bad_candidates", str(error)) from error
        if reply.code:
            raise SdpError(reply.code, reply.text)

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[str | None]]:
        if len(self._streams) >= STREAMS:
            raise TooManyStreamsError(STREAMS)
        number = next(_STREAM_NUMBERS)
        queue = self._streams[number] = asyncio.Queue(QUEUE)
        if self._ended:
            queue.put_nowait(None)
        self._host.send(Subscribe(self.id, number))
        try:
            yield queue
        finally:
            del self._streams[number]
            self._host.send(Unsubscribe(number))

    def tick(self, now: float) -> None:
        """Its process looks at the time itself."""

    def snapshot(self, now_ms: float) -> Snapshot:
        return self.known

    def view(self, now_ms: float) -> SessionView:
        return self.seen

    async def last_picture(self) -> str | None:
        try:
            return (await self._host.ask(TakePicture(0, self.id))).text or None
        except LostError:
            return None

    def act(self, action: Change) -> None:
        self._host.send(Act(self.id, action))

    def assign(self, assignment: Assignment, now_ms: float) -> None:
        if assignment != self.assignment:
            self.assignment = assignment
            self._host.send(Assign(self.id, assignment))

    async def close(self, reason: str, code: str = "ended") -> None:
        try:
            reply = await self._host.ask(Close(0, self.id, reason, code))
            self.outcomes.update(reply.outcomes)
        except LostError:
            pass
        self._end_streams()
        self._host.leave(self)

    # As its process tells

    def text(self, stream: int, text: str | None) -> bool:
        """The next text of an event stream; whether it is this session's."""
        queue = self._streams.get(stream)
        if queue is None:
            return False
        put_newest(queue, text)
        return True

    def die(self, reason: str, code: str) -> None:
        """It should be ended."""
        self._on_close_request(self, reason, code)

    def lost(self, reason: str) -> None:
        """Its process has ended, and the session with it."""
        self._end_streams()
        self._on_close_request(self, reason, "timeout")

    def _end_streams(self) -> None:
        self._ended = True
        for queue in self._streams.values():
            put_newest(queue, None)
