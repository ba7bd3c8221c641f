"""What the server and an ingest process say to each other: one JSON datagram a message.

Pictures never travel here: a message names the slot of shared memory that holds one. A session is
named by its id, a frame, a question and an event stream by a number of the side that began it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pydantic

from edge.ipc.pipe import MAX_MESSAGE_BYTES
from edge.observability.metrics_data import FrameCounts
from edge.scheduling.assignment import Assignment, Snapshot
from edge.session.actions import Change
from edge.session.interface import SessionOptions
from edge.session.view import SessionView
from edge.workers import Box


class MessageError(ValueError):
    """A datagram that is no message, or a message too long for one."""


@dataclass(frozen=True, slots=True)
class IngestSetup:
    """Server to ingest, first and once: what to be. `settings` as `edge.config` reads them."""

    settings: dict[str, Any]
    slots: int
    slot_bytes: int
    log_level: int
    type: Literal["setup"] = "setup"


@dataclass(frozen=True, slots=True)
class Open:
    """Server to ingest: a session for an offer. The answer's text is the SDP."""

    ask: int
    session: str
    etag: str
    options: SessionOptions
    offer: str
    type: Literal["open"] = "open"


@dataclass(frozen=True, slots=True)
class Trickle:
    """Server to ingest: candidates for a session."""

    ask: int
    session: str
    fragment: str
    type: Literal["trickle"] = "trickle"


@dataclass(frozen=True, slots=True)
class Close:
    """Server to ingest: end a session; answered once it has let go of everything."""

    ask: int
    session: str
    reason: str
    code: str
    type: Literal["close"] = "close"


@dataclass(frozen=True, slots=True)
class Assign:
    """Server to ingest: a session's part of the plan in force."""

    session: str
    assignment: Assignment
    type: Literal["assign"] = "assign"


@dataclass(frozen=True, slots=True)
class Act:
    """Server to ingest: what the operator asks of a session."""

    session: str
    action: Change
    type: Literal["act"] = "act"


@dataclass(frozen=True, slots=True)
class TakePicture:
    """Server to ingest: the picture that a session was last answered on, as
    `edge.observability.last_picture` has it; the answer's text is empty if there is none."""

    ask: int
    session: str
    type: Literal["look"] = "look"


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Server to ingest: an event stream opens; its texts follow, None at the end."""

    session: str
    stream: int
    type: Literal["subscribe"] = "subscribe"


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Server to ingest: nobody reads that event stream any more."""

    stream: int
    type: Literal["unsubscribe"] = "unsubscribe"


@dataclass(frozen=True, slots=True)
class Answered:
    """Server to ingest: a frame's boxes; its slot is free again."""

    frame: int
    variant: str
    batch: int
    boxes: list[Box]
    dispatched_ms: float
    inferred_ms: float
    device: int
    type: Literal["answered"] = "answered"


@dataclass(frozen=True, slots=True)
class Dropped:
    """Server to ingest: a frame that gets no answer; its slot is free again."""

    frame: int
    reason: str
    type: Literal["dropped"] = "dropped"


@dataclass(frozen=True, slots=True)
class Stop:
    """Server to ingest: end."""

    type: Literal["stop"] = "stop"


@dataclass(frozen=True, slots=True)
class Ready:
    """Ingest to server: sessions are welcome."""

    type: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class Reply:
    """Ingest to server: what became of an Open, Trickle, Close or Look; `code` names a refusal."""

    ask: int
    text: str = ""
    code: str = ""
    outcomes: dict[str, int] = field(default_factory=dict)
    type: Literal["reply"] = "reply"


@dataclass(frozen=True, slots=True)
class FrameOffered:
    """Ingest to server: a decoded frame asks to be served; its picture is in `slot`.

    Ends in exactly one Answered or Dropped.
    """

    frame: int
    session: str
    slot: int
    size: tuple[int, int]
    full_range: bool
    rtp: int
    ready_ms: float
    deadline_ms: float
    variants: tuple[str, ...]
    type: Literal["frame"] = "frame"


@dataclass(frozen=True, slots=True)
class SessionState:
    """Ingest to server, some times a second: how busy it is (shares of a core, all its threads' and
    its event loop's), its asyncio tasks, and what the planner has to know of some of its sessions.
    Its silence means that it hangs."""

    busy: float
    loop: float
    lag_ms: float
    tasks: int
    snapshots: list[Snapshot]
    type: Literal["state"] = "state"


@dataclass(frozen=True, slots=True)
class Views:
    """Ingest to server, once a second: some of its sessions as the operator sees them, by id, and
    what was counted since the message before."""

    views: dict[str, SessionView]
    counts: FrameCounts | None = None
    type: Literal["views"] = "views"


@dataclass(frozen=True, slots=True)
class LinkStep:
    """Ingest to server: a session's link got much worse."""

    snapshot: Snapshot
    type: Literal["step"] = "step"


@dataclass(frozen=True, slots=True)
class Dead:
    """Ingest to server: a session should be ended, and why; `code` is for programs."""

    session: str
    reason: str
    code: str
    type: Literal["dead"] = "dead"


@dataclass(frozen=True, slots=True)
class ResultText:
    """Ingest to server: the next of an event stream, None at its end."""

    stream: int
    text: str | None
    type: Literal["text"] = "text"


Message = (
    IngestSetup
    | Open
    | Trickle
    | Close
    | Assign
    | Act
    | TakePicture
    | Subscribe
    | Unsubscribe
    | Answered
    | Dropped
    | Stop
    | Ready
    | Reply
    | FrameOffered
    | SessionState
    | Views
    | LinkStep
    | Dead
    | ResultText
)

_ADAPTER: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(
    Annotated[Message, pydantic.Field(discriminator="type")],
    config=pydantic.ConfigDict(ser_json_inf_nan="constants"),  # bits a second may be infinite
)


def encode(message: Message) -> bytes:
    """The datagram of a message; MessageError if it is longer than MAX_MESSAGE_BYTES."""
    data: bytes = _ADAPTER.dump_json(message)
    if len(data) > MAX_MESSAGE_BYTES:
        raise MessageError(f"a {message.type} message of {len(data)} bytes is too long to send")
    return data


def decode(data: bytes | memoryview) -> Message:
    """The message in a datagram; MessageError says in one line what is wrong with it."""
    try:
        message: Message = _ADAPTER.validate_json(bytes(data))
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise MessageError(f"{place or 'message'}: {first['msg']}") from None
    return message
