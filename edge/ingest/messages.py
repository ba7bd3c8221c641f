"""The messages between the server and an ingest process.

A session is named by its id; a frame, a request and an event stream by a number that the side
which began it has chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from edge.ipc.messages import Codec, Ready, Stop
from edge.models.boxes import Box
from edge.models.registry.model import Model
from edge.observability.frame_metrics import FrameCounts
from edge.scheduling.assignment import Assignment, SessionSnapshot
from edge.session.control.actions import Change
from edge.session.interface import SessionOptions
from edge.session.view import SessionView


@dataclass(frozen=True, slots=True)
class IngestSetup:
    """Server to ingest, first and once. `settings` as `edge.config` reads them."""

    settings: dict[str, Any]
    slots: int
    slot_bytes: int
    log_level: int
    models: list[Model]
    type: Literal["setup"] = "setup"


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Server to ingest: make a session for an offer. The text of the Reply is the SDP answer."""

    request: int
    session: str
    etag: str
    options: SessionOptions
    offer: str
    type: Literal["open"] = "open"


@dataclass(frozen=True, slots=True)
class AddCandidates:
    """Server to ingest: ICE candidates for a session."""

    request: int
    session: str
    fragment: str
    type: Literal["trickle"] = "trickle"


@dataclass(frozen=True, slots=True)
class CloseSession:
    """Server to ingest: end a session; the Reply comes once it has released its resources."""

    request: int
    session: str
    reason: str
    code: str
    type: Literal["close"] = "close"


@dataclass(frozen=True, slots=True)
class SetAssignment:
    """Server to ingest: a session's part of the plan in force."""

    session: str
    assignment: Assignment
    type: Literal["assign"] = "assign"


@dataclass(frozen=True, slots=True)
class ApplyAction:
    """Server to ingest: an operator's change to a session."""

    session: str
    action: Change
    type: Literal["act"] = "act"


@dataclass(frozen=True, slots=True)
class TakePicture:
    """Server to ingest: asks for the last picture with boxes of a session.

    The text of the Reply is as `edge.observability.last_picture` makes it, or empty without one.
    """

    request: int
    session: str
    type: Literal["look"] = "look"


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Server to ingest: an event stream opens; ResultTexts follow, the last of them None."""

    session: str
    stream: int
    type: Literal["subscribe"] = "subscribe"


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Server to ingest: that event stream is closed."""

    stream: int
    type: Literal["unsubscribe"] = "unsubscribe"


@dataclass(slots=True)
class FrameAnswered:
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
class FrameDropped:
    """Server to ingest: a frame was not answered; its slot is free again."""

    frame: int
    reason: str
    type: Literal["dropped"] = "dropped"


@dataclass(frozen=True, slots=True)
class Reply:
    """Ingest to server: the result of a request; `code` names an error."""

    request: int
    text: str = ""
    code: str = ""
    outcomes: dict[str, int] = field(default_factory=dict)
    type: Literal["reply"] = "reply"


@dataclass(slots=True)
class FrameOffered:
    """Ingest to server: a decoded frame, its picture in `slot`.

    Ends in exactly one FrameAnswered or FrameDropped.
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
class IngestState:
    """Ingest to server, four times a second: its process' load, and snapshots of its sessions.

    `busy` is the share of a core that all its threads use, `loop` that of its event loop. A process
    that stops sending these hangs.
    """

    busy: float
    loop: float
    lag_ms: float
    tasks: int
    snapshots: list[SessionSnapshot]
    type: Literal["state"] = "state"


@dataclass(frozen=True, slots=True)
class SessionViews:
    """Ingest to server, once a second: the operator's views of sessions, by id, and the metrics
    counted since the last such message."""

    views: dict[str, SessionView]
    counts: FrameCounts | None = None
    type: Literal["views"] = "views"


@dataclass(frozen=True, slots=True)
class LinkStep:
    """Ingest to server: a session's link got much worse."""

    snapshot: SessionSnapshot
    type: Literal["step"] = "step"


@dataclass(frozen=True, slots=True)
class SessionConnected:
    """Ingest to server: a session's DTLS is up."""

    session: str
    type: Literal["connected"] = "connected"


@dataclass(frozen=True, slots=True)
class SessionDead:
    """Ingest to server: a session should be closed, and why; `code` is for programs."""

    session: str
    reason: str
    code: str
    type: Literal["dead"] = "dead"


@dataclass(slots=True)
class ResultText:
    """Ingest to server: the next text of an event stream, None at its end."""

    session: str
    stream: int
    text: str | None
    skipped: int = 0
    """Texts of this stream that were lost before this one, since its start."""
    type: Literal["text"] = "text"


Message = (
    IngestSetup
    | OpenSession
    | AddCandidates
    | CloseSession
    | SetAssignment
    | ApplyAction
    | TakePicture
    | Subscribe
    | Unsubscribe
    | FrameAnswered
    | FrameDropped
    | Stop
    | Ready
    | Reply
    | FrameOffered
    | IngestState
    | SessionViews
    | LinkStep
    | SessionConnected
    | SessionDead
    | ResultText
)

CODEC: Codec[Message] = Codec(Message)
