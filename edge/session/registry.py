"""All sessions of the server: their admission, lookup and end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from edge.clock import now_ms
from edge.event_log import get_logger
from edge.session import actions
from edge.session.interface import OnCloseRequest, SessionInterface, SessionOptions
from edge.session.view import SessionView

log = get_logger("edge.session.registry")


class FullError(Exception):
    """No session can be admitted now. `code`: draining, not_ready, full, address_full, busy, or
    lost (with its ingest process)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class SessionRegistry:
    """The sessions by id.

    `create` makes one, `ready` returns whether one can be served at all, `overload` why one more
    would be too many (None: it would not), and `on_change` is called with "join", "leave" or "pin".
    """

    def __init__(
        self,
        create: Callable[[SessionOptions, OnCloseRequest], SessionInterface],
        *,
        limit: int,
        limit_per_address: int,
        ready: Callable[[], bool],
        overload: Callable[[], str | None],
        class_names: Sequence[str],
        on_change: Callable[[str], None],
    ) -> None:
        self.class_names = class_names
        self._create = create
        self._limit = limit
        self._limit_per_address = limit_per_address
        self._ready = ready
        self._overload = overload
        self._on_change = on_change
        self._draining = False
        self._sessions: dict[str, SessionInterface] = {}
        self._addresses: dict[str, str] = {}  # by session id, where the address is limited
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[SessionInterface]:
        return iter(list(self._sessions.values()))

    def get(self, session_id: str) -> SessionInterface | None:
        return self._sessions.get(session_id)

    def by_name(self, name: str) -> SessionInterface | None:
        """The session with that name, which logs and the operator use in the place of its id."""
        return next((session for session in self if session.name == name), None)

    def views(self) -> list[SessionView]:
        """All sessions' states for the operator, oldest session first."""
        now = now_ms()
        return [session.view(now) for session in self]

    async def act(self, name: str, action: actions.Action) -> bool:
        """Carry out an operator's action; False if there is no session of that name."""
        session = self.by_name(name)
        if session is None:
            return False
        if isinstance(action, actions.EndSession):
            await self.close(session, "ended by the operator")
        else:
            session.act(action)
            self._on_change("pin")
        log.info("action", session=name, **action.model_dump())
        return True

    @property
    def ready(self) -> bool:
        """Whether sessions can be served."""
        return self._ready()

    @property
    def draining(self) -> bool:
        """Whether new sessions are refused while those present continue."""
        return self._draining

    def drain(self, on: bool = True) -> None:
        """Refuse new sessions from now on, or admit them again."""
        self._draining = on
        log.info("drain", on=on)

    def refusal(self, address: str | None = None) -> FullError | None:
        """Why a new session from `address` would be refused; None if it would be admitted.

        Without an address its own limit does not apply.
        """
        if self._draining:
            return FullError("draining", "the server takes no newcomers for now")
        if not self._ready():
            return FullError("not_ready", "no device is ready yet: try again in a few seconds")
        if len(self._sessions) >= self._limit:
            return FullError("full", f"all {self._limit} places are taken")
        most = self._limit_per_address
        if address is not None and list(self._addresses.values()).count(address) >= most:
            return FullError(
                "address_full", f"this address has {most} sessions, and may have no more"
            )
        overload = self._overload()
        return None if overload is None else FullError("busy", overload)

    async def open(
        self, offer: str, options: SessionOptions, address: str | None = None
    ) -> tuple[SessionInterface, str]:
        """A session for an SDP offer, and the answer.

        Raises FullError while none can be admitted, SdpError for an offer that cannot be used.
        """
        if (refusal := self.refusal(address)) is not None:
            raise refusal
        session = self._create(options, self._on_close_request)
        self._sessions[session.id] = session
        if address is not None:
            self._addresses[session.id] = address
        try:
            answer = await session.answer(offer)
        except BaseException:
            await self.close(session, "its offer was refused")
            raise
        self._on_change("join")
        log.info("session_opened", session=session.name, label=session.label)
        return session, answer

    async def close(self, session: SessionInterface, reason: str, code: str = "ended") -> None:
        """End a session; ending it twice is harmless."""
        if self._sessions.pop(session.id, None) is None:
            return
        self._addresses.pop(session.id, None)
        self._on_change("leave")
        await session.close(reason, code)
        log.info("session_closed", session=session.name, reason=reason, **session.outcomes)

    def tick(self) -> None:
        """Tick every session; to be called several times a second."""
        now = now_ms()
        for session in self:
            try:
                session.tick(now)
            except Exception:  # must not affect the other sessions
                log.exception("tick_failed", session=session.name)

    async def close_all(self, reason: str) -> None:
        """Refuse new sessions from now on, and end all."""
        self.drain()
        await asyncio.gather(*(self.close(session, reason, "draining") for session in self))
        if self._closing:
            await asyncio.wait(self._closing)

    def _on_close_request(self, session: SessionInterface, reason: str, code: str) -> None:
        task = asyncio.ensure_future(self.close(session, reason, code))
        self._closing.add(task)  # the loop itself holds only weak references to tasks
        task.add_done_callback(self._closing.discard)
