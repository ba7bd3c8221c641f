"""All sessions of the server: their admission, lookup and end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.config import PublishingToken
from edge.scheduling.admission.admission_control import Overload
from edge.session.control import actions
from edge.session.interface import OnCloseRequest, SessionInterface, SessionOptions
from edge.session.registry.departures import Departures
from edge.session.registry.full_error import FullError
from edge.session.registry.replacement import Replacements, inherit
from edge.session.view import SessionView

log = get_logger("edge.session.registry")

# Before a half-open session may give way to a new offer: an honest one is connected sooner.
HALF_OPEN_MIN_MS = 500.0
ENDED_KEPT = 1024  # ids of ended sessions that are remembered; the oldest is forgotten first


class SessionRegistry:
    """The sessions by id.

    `create` makes one, `ready` returns whether one can be served at all, `overload` why one more
    with that objective would be too many (None: it would not), `on_change` is called with "join",
    "leave" or "pin", and `on_offer` once a half-open session's answer is made, and `on_refusal`
    when a session that has connected is refused after all. `on_leave` is called as a session gives
    up its place, and `on_end` with reason and code once it has ended and its frames are counted.
    `drain_s`: where other nodes can take them, sessions that are drained are asked to move, and
    ended after so long; None: they go on.

    A session is half-open until its DTLS is up: it has bounds of its own, joins no plan, and is
    checked against the other limits when it is offered and again when it connects. So offers that
    never connect keep nobody out.
    """

    def __init__(
        self,
        create: Callable[[SessionOptions, OnCloseRequest], SessionInterface],
        *,
        limit: int,
        limit_per_address: int,
        half_open_limit: int,
        half_open_limit_per_address: int,
        ready: Callable[[], bool],
        overload: Callable[[float | None], Overload | None],
        on_change: Callable[[str], None],
        on_offer: Callable[[], None] = lambda: None,
        on_refusal: Callable[[SessionInterface, FullError], None] = lambda session, refusal: None,
        on_leave: Callable[[SessionInterface], None] = lambda session: None,
        on_end: Callable[[SessionInterface, str, str], None] = lambda session, reason, code: None,
        drain_s: float | None = None,
    ) -> None:
        self._create = create
        self._limit = limit
        self._limit_per_address = limit_per_address
        self._half_open_limit = half_open_limit
        self._half_open_limit_per_address = half_open_limit_per_address
        self._ready = ready
        self._overload = overload
        self._on_change = on_change
        self._on_offer = on_offer
        self._on_refusal = on_refusal
        self._on_leave, self._on_end = on_leave, on_end
        self._draining = False
        self._departures = None if drain_s is None else Departures(1000.0 * drain_s)
        self._empty = asyncio.Event()
        self._empty.set()
        self._sessions: dict[str, SessionInterface] = {}
        self._half_open: dict[str, float] = {}  # by session id, when it was opened, in ms
        self._addresses: dict[str, str] = {}  # by session id, where the address is limited
        self._tokens: dict[str, str] = {}  # by session id, the name of its publishing token
        self._closing: set[asyncio.Task[None]] = set()
        self._options: dict[str, SessionOptions] = {}
        self._replacements = Replacements()
        self._ended: deque[str] = deque(maxlen=ENDED_KEPT)

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[SessionInterface]:
        return iter(list(self._sessions.values()))

    @property
    def half_open(self) -> int:
        """The number of offers whose connection is not up yet."""
        return len(self._half_open)

    @property
    def connected(self) -> list[SessionInterface]:
        """The sessions that are not half-open, and so count for admission and plans."""
        return [session for session in self if session.id not in self._half_open]

    def get(self, session_id: str) -> SessionInterface | None:
        return self._sessions.get(session_id)

    def has_ended(self, session_id: str) -> bool:
        """Whether a session of that id was here; forgotten after `ENDED_KEPT` others."""
        return session_id in self._ended

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

    @property
    def drained(self) -> Mapping[str, int]:
        """How many sessions left as they were asked to move, and were ended by a drain's limit."""
        return {} if self._departures is None else self._departures.ends

    def drain(self, on: bool = True) -> None:
        """Refuse new sessions from now on, or admit them again."""
        self._draining = on
        log.info("drain", on=on, sessions=len(self))
        if self._departures is not None:
            if on:
                self._departures.begin(now_ms())
            else:
                self._departures.cancel()

    async def emptied(self) -> None:
        """Until there is no session."""
        await self._empty.wait()

    def refusal(
        self,
        address: str | None = None,
        replaces: str | None = None,
        slo_ms: float | None = None,
    ) -> FullError | None:
        """Why a new session from `address` would be refused; None if it would be admitted.

        Without an address its own limit does not apply. One that `replaces` another takes its
        place, and is no further load. `slo_ms` is the objective it asks for; None: the default.
        """
        if self._draining:
            return FullError("draining", "the server takes no newcomers for now")
        if not self._ready():
            return FullError("not_ready", "no device is ready yet: try again in a few seconds")
        return self._full(address, replaces) or self._busy(replaces, slo_ms)

    def _full(self, address: str | None, replaces: str | None) -> FullError | None:
        """Why a session has no place; None if it has, perhaps that of the one it `replaces`.

        Two sessions of which one replaces the other have one place, from when both are connected,
        and at an address if both are from there.
        """
        goes = self._displaced(replaces)
        places = own_places = 0
        for session in self.connected:
            if session.id in goes:
                continue
            successor = self._replacements.connected_successor(session.id)
            places += successor is None
            if self._addresses.get(session.id) == address:
                own_places += successor is None or self._addresses.get(successor) != address
        if places >= self._limit:
            return FullError("full", f"all {self._limit} places are taken")
        most = self._limit_per_address
        if address is not None and own_places >= most:
            return FullError(
                "address_full", f"this address has {most} sessions, and may have no more"
            )
        return None

    def _busy(self, replaces: str | None, slo_ms: float | None) -> FullError | None:
        """Why one more session would be too much; one that replaces a connected one is no more."""
        if replaces in self._sessions and replaces not in self._half_open:
            return None
        overload = self._overload(slo_ms)
        if overload is None:
            return None
        words = overload.reason
        if overload.slo_ms is not None:
            words += f"; there is room with slo_ms={overload.slo_ms:.0f}"
        return FullError("busy", words, overload.slo_ms)

    def _displaced(self, replaces: str | None) -> set[str]:
        """The sessions that one more, which `replaces` that one, takes the places of: its own, and
        that of the one which was to replace it before."""
        return (
            set() if replaces is None else {replaces, self._replacements.successor(replaces) or ""}
        )

    def _count(self, sessions: Iterable[SessionInterface], address: str) -> int:
        return sum(self._addresses.get(session.id) == address for session in sessions)

    def _half_open_refusal(
        self, address: str | None, now: float, former: str | None
    ) -> FullError | None:
        """Why one more half-open session from `address` would be too many; None if it would not.

        `former` would end for it.
        """
        half_open = [self._sessions[each] for each in self._half_open if each != former]
        most = self._half_open_limit_per_address
        if address is not None and self._count(half_open, address) >= most:
            return FullError(
                "address_half_open", f"{most} offers of this address have not connected yet"
            )
        oldest_ms = min((self._half_open[each.id] for each in half_open), default=now)
        if len(half_open) >= self._half_open_limit and now - oldest_ms < HALF_OPEN_MIN_MS:
            return FullError("half_open_full", "too many offers have not connected yet: try again")
        return None

    async def open(
        self,
        offer: str,
        options: SessionOptions,
        address: str | None = None,
        token: PublishingToken | None = None,
        replaces: SessionInterface | None = None,
    ) -> tuple[SessionInterface, str]:
        """A session for an SDP offer, and the answer.

        One that `replaces` another takes over its options and what is known of its link; the other
        ends with the new one's first answer, or `ANSWER_TIMEOUT_MS` after it has connected. One
        that replaces a session which is still to replace another takes the place of that one, which
        ends at once. Raises FullError while none can be admitted, SdpError for an offer that cannot
        be used.
        """
        now = now_ms()
        self._count_connected()
        self._end_replaced(now)
        if replaces is not None and replaces.id not in self._sessions:
            replaces = None  # it has ended meanwhile
        old = None if replaces is None else self._replacements.target(replaces.id)
        former = None if old is None else self._replacements.successor(old)
        if (refusal := self.refusal(address, old, options.slo_ms)) is not None:
            raise refusal
        if (refusal := self._half_open_refusal(address, now, former)) is not None:
            raise refusal
        most = None if token is None else token.max_sessions
        names = [name for each, name in self._tokens.items() if each not in (old, former)]
        if token is not None and most is not None and names.count(token.name) >= most:
            raise FullError("token_full", f"this token has {most} sessions, and may have no more")
        if replaces is not None:
            options = inherit(options, self._options[replaces.id], replaces, now)
        if len(self._half_open.keys() - {former}) >= self._half_open_limit:
            # This may be the one that is to be replaced: that is looked up again below.
            oldest = self._sessions[next(each for each in self._half_open if each != former)]
            self._on_close_request(oldest, "not connected in time, and displaced", "timeout")
        session = self._create(options, self._on_close_request)
        self._sessions[session.id] = session
        self._empty.clear()
        self._options[session.id] = options
        self._half_open[session.id] = now
        if address is not None:
            self._addresses[session.id] = address
        if token is not None:
            self._tokens[session.id] = token.name
        try:
            answer = await session.answer(offer)
        except BaseException:
            await self.close(session, "its offer was refused")
            raise
        if replaces is not None:
            self._begin_replacing(session.id, replaces.id)
        name = {} if token is None else {"token": token.name}
        log.info("session_opened", session=session.name, label=session.label, **name)
        self._on_offer()
        return session, answer

    def _begin_replacing(self, new: str, named: str) -> None:
        """Once the answer to its offer is made: either session may have ended meanwhile."""
        self._end_replaced(now_ms())
        if new not in self._sessions or named not in self._sessions:
            return
        if (former := self._replacements.begin(new, named)) is not None:
            self._on_close_request(self._sessions[former], "replaced by another", "replaced")
        if new not in self._half_open:
            self._replacements.connected(new, now_ms())

    def _end_replaced(self, now: float) -> None:
        for replaced in list(self._replacements.done(lambda new: self._has_answers(new, now), now)):
            self._on_close_request(self._sessions[replaced], "replaced by another", "replaced")

    async def close(self, session: SessionInterface, reason: str, code: str = "ended") -> None:
        """End a session; ending it twice is harmless."""
        if self._remove(session):
            await self._end(session, reason, code)

    def _remove(self, session: SessionInterface) -> bool:
        """Free its place; False if that has been done."""
        if self._sessions.pop(session.id, None) is None:
            return False
        if not self._sessions:
            self._empty.set()
        self._ended.append(session.id)
        self._on_leave(session)
        self._options.pop(session.id, None)
        self._replacements.forget(session.id)
        self._addresses.pop(session.id, None)
        self._tokens.pop(session.id, None)
        if self._half_open.pop(session.id, None) is None:
            self._on_change("leave")
        return True

    async def _end(self, session: SessionInterface, reason: str, code: str) -> None:
        await session.close(reason, code)
        log.info("session_closed", session=session.name, reason=reason, **session.outcomes)
        self._on_end(session, reason, code)

    def tick(self) -> None:
        """Tick every session, and count those that have connected; several times a second."""
        now = now_ms()
        self._count_connected()
        self._end_replaced(now)
        self._see_off(now)
        for session in self:
            try:
                session.tick(now)
            except Exception:  # must not affect the other sessions
                log.exception("tick_failed", session=session.name)

    def _see_off(self, now: float) -> None:
        """While the node is drained: ask sessions to move, end those that have not."""
        if self._departures is None:
            return
        step = self._departures.step([each.id for each in self.connected], now)
        for asked in step.ask:
            self._sessions[asked].act(actions.MoveSession())
        for each in self if step.over else ():
            self._on_close_request(each, "the node is drained", "draining")

    def _has_answers(self, session_id: str, now: float) -> bool:
        outcomes = self._sessions[session_id].view(now).outcomes
        return bool(outcomes.get("in_time") or outcomes.get("answered_late"))

    async def close_all(self, reason: str) -> None:
        """Refuse new sessions from now on, and end all."""
        self.drain()
        await asyncio.gather(*(self.close(session, reason, "draining") for session in self))
        if self._closing:
            await asyncio.wait(self._closing)

    def _count_connected(self) -> None:
        for session in self:
            if session.connected and session.id in self._half_open:
                self._on_connected(session)

    def _on_connected(self, session: SessionInterface) -> None:
        """A half-open session's DTLS is up: it takes a place, if there still is one.

        Also while the server is draining, or no worker is ready: a lost one is replaced.
        """
        old = self._replacements.of(session.id)
        refusal = self._full(self._addresses.get(session.id), old)
        if refusal is None and self._ready() and not self._draining:
            refusal = self._busy(old, self._options[session.id].slo_ms)
        if refusal is not None:
            self._on_refusal(session, refusal)
            self._on_close_request(session, str(refusal), refusal.code)
            return
        self._replacements.connected(session.id, now_ms())
        if old in self._half_open:
            self._on_close_request(self._sessions[old], "replaced by another", "replaced")
        del self._half_open[session.id]
        self._on_change("join")

    def _on_close_request(self, session: SessionInterface, reason: str, code: str) -> None:
        if not self._remove(session):
            return
        task = asyncio.ensure_future(self._end(session, reason, code))
        self._closing.add(task)  # the loop itself holds only weak references to tasks
        task.add_done_callback(self._closing.discard)
