"""Results of all sessions for readers other than their publishers: a bounded history and readers.

Pure: whoever has the messages puts them in, and whoever waits on a reader's queue sends them out.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from edge.session.results.result_streams import TooManyStreamsError, put_newest
from edge.tracking.events import EVENT_KINDS

HISTORY = 1024  # messages kept for readers that come back; the oldest is dropped
QUEUE = 256  # messages waiting for a slow reader; the oldest is dropped
MAX_DIGITS = 19  # of an event's number; a longer one cannot be ours
READERS = 32  # at a time; the next is refused
KINDS = ("detections", "dropped", "bye", *EVENT_KINDS)
_TYPE = '{"type":"'


class Event(NamedTuple):
    """A message with its identifier, which a reader names to continue after it."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class FeedFilter:
    """The messages that a reader wants; None: all."""

    session: str | None = None
    """Its name, as the operator knows it."""
    label: str | None = None
    classes: frozenset[str] | None = None
    """Boxes of other classes are left out; the messages stay, so that an empty picture is told
    from silence. Events of things of other classes are left out."""
    types: frozenset[str] | None = None
    """Of messages; the end of a session comes in any case."""


class _Message(NamedTuple):
    number: int
    session: str
    label: str
    kind: str
    text: str


@dataclass(slots=True, eq=False)
class _Reader:
    wanted: FeedFilter
    queue: asyncio.Queue[Event | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    skipped: int = 0


_Texts = dict[frozenset[str] | None, str]
"""A message as its readers get it, by the classes that they want, as far as it is made."""


class ResultFeed:
    """The latest messages of all sessions, and the readers that follow."""

    def __init__(self) -> None:
        self._boot = secrets.token_hex(4)  # identifiers of an earlier server mean nothing here
        self._numbers = itertools.count(1)
        self._history: deque[_Message] = deque(maxlen=HISTORY)
        self._readers: dict[str | None, list[_Reader]] = {}
        """By the session that they want; None: all."""
        self._ended = False
        self.skipped = 0
        """Messages that slow readers have missed, since the start."""

    def __len__(self) -> int:
        return sum(map(len, self._readers.values()))

    def put(self, session: str, label: str, text: str) -> None:
        """A session's message. Only answers, drops and ends are for readers: a `welcome` holds the
        session's id, which is its publisher's secret."""
        kind = text.removeprefix(_TYPE).partition('"')[0]
        if kind not in KINDS:
            return
        message = _Message(next(self._numbers), session, label, kind, text)
        self._history.append(message)
        texts: _Texts = {}
        for reader in (*self._readers.get(session, ()), *self._readers.get(None, ())):
            if _is_for(reader, message):
                self._send(reader, message, texts)
            if reader.wanted.session == session and kind == "bye":
                put_newest(reader.queue, None)

    @contextmanager
    def open(
        self, wanted: FeedFilter, after: str | None = None
    ) -> Iterator[asyncio.Queue[Event | None]]:
        """A queue of the messages from now on; None marks the end, of the server or of the one
        session that is wanted.

        With `after`, the last event that the reader had, it begins with those kept since then; with
        one of an earlier server, with all that are kept. TooManyStreamsError if `READERS` are open.
        """
        if len(self) >= READERS:
            raise TooManyStreamsError(READERS)
        reader = _Reader(wanted)
        missed = [message for message in self._since(after) if _is_for(reader, message)]
        reader.skipped = max(0, len(missed) - QUEUE)  # no work for those that are dropped at once
        self.skipped += reader.skipped
        for message in missed[-QUEUE:]:
            self._send(reader, message, {})
        if self._ended:
            put_newest(reader.queue, None)
        its = self._readers.setdefault(wanted.session, [])
        its.append(reader)
        try:
            yield reader.queue
        finally:
            its.remove(reader)
            if not its and self._readers.get(wanted.session) is its:
                del self._readers[wanted.session]

    def end(self) -> None:
        """No message comes any more."""
        self._ended = True
        for reader in itertools.chain(*self._readers.values()):
            put_newest(reader.queue, None)

    def _since(self, after: str | None) -> list[_Message]:
        if after is None:
            return []
        boot, _, number = after.partition("-")
        # `int` takes no more than some thousand digits, and 19 count for as long as anything runs.
        if boot != self._boot or not number.isdecimal() or len(number) > MAX_DIGITS:
            return [*self._history]
        return [message for message in self._history if message.number > int(number)]

    def _send(self, reader: _Reader, message: _Message, texts: _Texts) -> None:
        if reader.queue.full():
            reader.skipped += 1
            self.skipped += 1
        classes = reader.wanted.classes
        event = f"{self._boot}-{message.number}"
        if (text := texts.get(classes)) is None:
            text = message.text if classes is None else _only(message.text, classes)
            origin = _origin(message.session, message.label)
            text = texts[classes] = f'{text[:-1]},"event":"{event}",{origin}'
        if reader.skipped:
            text = f'{text[:-1]},"skipped":{reader.skipped}}}'
        put_newest(reader.queue, Event(event, text))


@lru_cache(READERS)
def _origin(session: str, label: str) -> str:
    """The end of a message: where it is from."""
    return json.dumps({"session": session, "label": label}, separators=(",", ":"))[1:]


def _is_for(reader: _Reader, message: _Message) -> bool:
    wanted = reader.wanted
    if wanted.session not in (None, message.session) or wanted.label not in (None, message.label):
        return False
    if message.kind == "bye":
        return True
    if wanted.types is not None and message.kind not in wanted.types:
        return False
    if wanted.classes is None or message.kind not in EVENT_KINDS:
        return True
    name = json.loads(message.text).get("class")  # a rule's has none
    return name is None or name in wanted.classes


def _only(text: str, classes: frozenset[str]) -> str:
    """The message without boxes of other classes."""
    message = json.loads(text)
    if "boxes" in message:
        message["boxes"] = [box for box in message["boxes"] if box[0] in classes]
    return json.dumps(message, separators=(",", ":"))
