"""A session as registry, endpoint and controller see it, in whatever process it runs."""

from __future__ import annotations

import asyncio
import collections
import secrets
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from edge.scheduling.assignment import Assignment, Snapshot
from edge.session.actions import Change
from edge.session.view import SessionView


@dataclass(frozen=True, slots=True)
class SessionIdentity:
    """What a session is called; knowing its `id` is the right to end it."""

    id: str
    etag: str

    @classmethod
    def fresh(cls) -> SessionIdentity:
        return cls(secrets.token_urlsafe(18), secrets.token_hex(8))


class SessionInterface(Protocol):
    """One of all sessions: `edge.session.session`, or `edge.ingest.remote_session` for one in
    another process."""

    id: str
    name: str
    """What logs call it."""
    etag: str
    label: str
    outcomes: collections.Counter[str]
    """Of its frames; of one in another process, known at its end."""

    async def answer(self, offer: str) -> str:
        """The answer to its offer; SdpError for one that is of no use."""

    async def add_candidates(self, fragment: str) -> None:
        """Trickled candidates; SdpError for what is none."""

    def subscribe(self) -> AbstractContextManager[asyncio.Queue[str | None]]:
        """Results for a publisher without data channels; RuntimeError for too many readers."""

    def tick(self, now: float) -> None:
        """Its regular look at the time."""

    def view(self, now_ms: float) -> SessionView:
        """What the operator has to know of it."""

    async def look(self) -> str | None:
        """The picture it was last answered on, as `edge.observability.last_picture` has it; None
        if there is none."""

    def act(self, action: Change) -> None:
        """What the operator asks of it."""

    def snapshot(self, now_ms: float) -> Snapshot:
        """What the planner has to know of it."""

    def assign(self, assignment: Assignment, now_ms: float) -> None:
        """Its part of the plan in force."""

    async def close(self, reason: str, code: str = "ended") -> None:
        """Tell the publisher, let go of everything."""
