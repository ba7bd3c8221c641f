"""All sessions: who is let in, and how each one ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

from edge.clock import now_ms
from edge.session import actions
from edge.session.interface import SessionInterface
from edge.session.view import SessionView

log = logging.getLogger("edge.session.registry")

Factory = Callable[..., SessionInterface]


class FullError(Exception):
    """No session can be taken now: `code` is full, busy, not_ready, draining, lost (with its
    process) or address_full."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class SessionRegistry:
    """The sessions by id. `make` builds one; `ready` tells whether a device can serve it;
    `why_not` why one more would be too many, if so; `on_change` is told "join" and "leave"."""

    def __init__(
        self,
        make: Factory,
        *,
        limit: int,
        limit_per_address: int,
        ready: Callable[[], bool],
        why_not: Callable[[], str | None],
        class_names: list[str],
        on_change: Callable[[str], None],
    ) -> None:
        self.class_names = class_names
        self._make = make
        self._limit = limit
        self._limit_per_address = limit_per_address
        self._why_not = why_not
        self._addresses: dict[str, str] = {}  # of sessions whose address counts, by their id
        self._ready = ready
        self._on_change = on_change
        self._draining = False
        self._sessions: dict[str, SessionInterface] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[SessionInterface]:
        return iter(list(self._sessions.values()))

    def get(self, session_id: str) -> SessionInterface | None:
        return self._sessions.get(session_id)

    def named(self, name: str) -> SessionInterface | None:
        """By the name that logs and the operator call it."""
        return next((session for session in self if session.name == name), None)

    def views(self) -> list[SessionView]:
        """Each as its operator sees it now, oldest first."""
        now = now_ms()
        return [session.view(now) for session in self]

    async def act(self, name: str, action: actions.Action) -> bool:
        """What the operator asks of the session called so; False if there is none."""
        session = self.named(name)
        if session is None:
            return False
        if isinstance(action, actions.EndSession):
            await self.close(session, "ended by the operator")
        else:
            session.act(action)
            self._on_change("pin")
        log.info("event=action session=%s %s", name, action)
        return True

    @property
    def draining(self) -> bool:
        """Whether newcomers are refused; those who are there go on."""
        return self._draining

    def drain(self, on: bool = True) -> None:
        """Refuse newcomers from now on, or let them in again."""
        self._draining = on
        log.info("event=drain on=%s", on)

    async def open(
        self, offer: str, address: str | None = None, **wishes: object
    ) -> tuple[SessionInterface, str]:
        """A session for an SDP offer, and the answer; `address` is what limits count it by.

        Raises FullError while none can be taken, SdpError for an offer that is of no use.
        """
        if self._draining:
            raise FullError("draining", "the server takes no newcomers for now")
        if not self._ready():
            raise FullError("not_ready", "no device is ready yet: try again in a few seconds")
        if len(self._sessions) >= self._limit:
            raise FullError("full", f"all {self._limit} places are taken")
        most = self._limit_per_address
        if address is not None and list(self._addresses.values()).count(address) >= most:
            raise FullError(
                "address_full", f"this address has {most} sessions, and may have no more"
            )
        if (reason := self._why_not()) is not None:
            raise FullError("busy", reason)
        session = self._make(on_dead=self._on_dead, **wishes)
        self._sessions[session.id] = session
        if address is not None:
            self._addresses[session.id] = address
        try:
            answer = await session.answer(offer)
        except BaseException:
            await self.close(session, "its offer was refused")
            raise
        self._on_change("join")
        log.info("event=session_opened session=%s label=%r", session.name, session.label)
        return session, answer

    async def close(self, session: SessionInterface, reason: str, code: str = "ended") -> None:
        """End a session; ending it twice is harmless."""
        if self._sessions.pop(session.id, None) is None:
            return
        self._addresses.pop(session.id, None)
        self._on_change("leave")
        await session.close(reason, code)
        log.info(
            "event=session_closed session=%s reason=%r %s",
            session.name,
            reason,
            " ".join(f"{name}={count}" for name, count in session.outcomes.items()),
        )

    def tick(self) -> None:
        """Give every session its regular look at the time."""
        now = now_ms()
        for session in self:
            try:
                session.tick(now)
            except Exception:  # one session's trouble is not the others'
                log.exception("event=tick_failed session=%s", session.name)

    async def close_all(self, reason: str) -> None:
        """Refuse newcomers from now on, and end everyone."""
        self.drain()
        await asyncio.gather(*(self.close(session, reason, "draining") for session in self))
        if self._closing:
            await asyncio.wait(self._closing)

    def _on_dead(self, session: SessionInterface, reason: str, code: str) -> None:
        task = asyncio.ensure_future(self.close(session, reason, code))
        self._closing.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(self._closing.discard)
