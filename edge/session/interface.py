"""A session as registry, endpoints and controller use it, in whatever process it runs."""

from __future__ import annotations

import collections
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from edge.scheduling.assignment import NO_PINS, Assignment, Pins, SessionSnapshot
from edge.session.control.actions import Change
from edge.session.results.result_streams import Listener, ResultQueue
from edge.session.view import SessionView


@dataclass(frozen=True, slots=True)
class SessionIdentity:
    """A session's identifiers; knowledge of the `id` authorises its publisher to end it."""

    id: str
    etag: str

    @classmethod
    def fresh(cls) -> SessionIdentity:
        return cls(secrets.token_urlsafe(18), secrets.token_hex(8))


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """A publisher's choices when it opens a session."""

    slo_ms: float | None = None
    """None: the settings' default."""
    label: str = ""
    classes: frozenset[str] | None = None
    """Names of the classes to report; None: all."""
    model: str | None = None
    """The name of a model, or of a family of which the plan chooses; None: no wish, and empty: the
    default (a session that replaces another keeps its model with None alone)."""
    min_score: float | None = None
    """Boxes below are not reported, on top of the model's own threshold; None: no wish."""
    local_publisher: bool = False
    """The offer came from this machine, so ICE may use its addresses."""
    pins: Pins = NO_PINS
    start_bps: float | None = None
    """What its link is known to carry; None: nothing is known."""
    replaces: str | None = None
    """The id of the session that it is to take over."""


class SessionInterface(Protocol):
    """Implemented by `edge.session.session`, and by `edge.ingest.session_proxy` for a session in
    another process."""

    id: str
    name: str
    """The start of the id, for logs and the operator."""
    etag: str
    label: str
    connected: bool
    """Whether its DTLS has been up; before that it is half-open, and no part of admission."""
    outcomes: collections.Counter[str]
    """Of its frames; those of a session in another process are known at its end."""

    async def answer(self, offer: str) -> str:
        """The SDP answer to its offer; SdpError for an offer that cannot be used."""

    async def add_candidates(self, fragment: str) -> None:
        """Add trickled ICE candidates; SdpError for a fragment that cannot be used."""

    def subscribe(self) -> AbstractContextManager[ResultQueue]:
        """Result messages for a publisher without data channels, None at the end.

        TooManyStreamsError if too many are open.
        """

    def follow(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called with each result message; the function returned ends that.

        TooManyStreamsError if too many are open.
        """

    def tick(self, now: float) -> None:
        """Called several times a second, for timeouts and periodic messages."""

    def view(self, now_ms: float) -> SessionView:
        """Its state for the operator."""

    async def last_picture(self) -> str | None:
        """The picture of its latest answer, as `edge.observability.last_picture` writes it; None
        if there is none."""

    def act(self, action: Change) -> None:
        """Carry out an operator's action."""

    def snapshot(self, now_ms: float) -> SessionSnapshot:
        """Its state for the planner."""

    def assign(self, assignment: Assignment, now_ms: float) -> None:
        """Put its part of a plan in force."""

    async def close(self, reason: str, code: str = "ended") -> None:
        """Notify the publisher and release everything."""


OnCloseRequest = Callable[[SessionInterface, str, str], None]
"""Called with (session, reason, code) when a session must be closed for a reason within itself."""
