"""Admission, lookup and end of sessions; the sessions themselves are stand-ins."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.rtc.sdp import SdpError
from edge.scheduling.admission.admission_control import Overload
from edge.scheduling.assignment import Assignment, SessionSnapshot
from edge.session.control.actions import Change, EndSession, MoveSession, SetSlo
from edge.session.interface import OnCloseRequest, SessionOptions
from edge.session.registry.full_error import FullError
from edge.session.registry.replacement import ANSWER_TIMEOUT_MS
from edge.session.registry.session_registry import HALF_OPEN_MIN_MS, SessionRegistry
from edge.session.results.result_streams import Listener, ResultQueue
from edge.session.view import SessionView


class RegisteredSession:
    """Answers any offer but "bad"; records its calls."""

    def __init__(self, number: int, options: SessionOptions, on_close: OnCloseRequest) -> None:
        self.id = f"{number:06}-secret"
        self.name = self.id[:6]
        self.etag = "etag"
        self.label = options.label
        self.connected = self.answered = False
        self.options = options
        self.outcomes: Counter[str] = Counter(answered=number)
        self.ticks: list[float] = []
        self.actions: list[Change] = []
        self.closed: list[tuple[str, str]] = []
        self.ended = asyncio.Event()
        self._on_close = on_close

    async def answer(self, offer: str) -> str:
        if offer == "bad":
            raise SdpError("bad_sdp", "bad")
        return f"answer to {offer}"

    async def add_candidates(self, fragment: str) -> None:
        raise NotImplementedError

    def subscribe(self) -> AbstractContextManager[ResultQueue]:
        raise NotImplementedError

    def follow(self, listener: Listener) -> Callable[[], None]:
        raise NotImplementedError

    def tick(self, now: float) -> None:
        self.ticks.append(now)
        if self.label == "faulty":
            raise ZeroDivisionError

    def view(self, now_ms: float) -> SessionView:
        outcomes = {"in_time": 1} if self.answered else {}
        view = SessionView(name=self.name, label=self.label, state="live", age_s=0.0, slo_ms=100.0)
        return replace(view, outcomes=outcomes)

    async def last_picture(self) -> str | None:
        return None

    def act(self, action: Change) -> None:
        self.actions.append(action)

    def snapshot(self, now_ms: float) -> SessionSnapshot:
        return SessionSnapshot(self.id, 100.0, 30.0, (640, 480), 50.0, False, 1e6)

    def assign(self, assignment: Assignment, now_ms: float) -> None:
        raise NotImplementedError

    async def close(self, reason: str, code: str = "ended") -> None:
        self.closed.append((reason, code))
        self.ended.set()

    def fail(self, reason: str) -> None:
        """Ask to be closed, as a session does when its publisher is gone."""
        self._on_close(self, reason, "timeout")


class Registered:
    """A registry of such sessions, and the changes that it reported."""

    def __init__(self, **limits: int) -> None:
        self.made: list[RegisteredSession] = []
        self.changes: list[str] = []
        self.refusals: list[tuple[str, str]] = []
        self.ready = True
        self.overload: Overload | None = None
        self.asked: list[float | None] = []
        self.registry = SessionRegistry(
            self._create,
            limit=limits.get("limit", 8),
            limit_per_address=limits.get("limit_per_address", 8),
            half_open_limit=limits.get("half_open_limit", 4),
            half_open_limit_per_address=limits.get("half_open_limit_per_address", 2),
            ready=lambda: self.ready,
            overload=self._overload,
            on_change=self.changes.append,
            on_refusal=lambda session, refusal: self.refusals.append((session.name, refusal.code)),
            drain_s=limits.get("drain_s"),
        )

    def _overload(self, slo_ms: float | None) -> Overload | None:
        self.asked.append(slo_ms)
        return self.overload

    def _create(self, options: SessionOptions, on_close: OnCloseRequest) -> RegisteredSession:
        self.made.append(RegisteredSession(len(self.made), options, on_close))
        return self.made[-1]

    async def open(self, address: str | None = None, label: str = "") -> RegisteredSession:
        """A session that has connected."""
        session = await self.offer(address, label)
        session.connected = True
        self.registry.tick()
        session.ticks.clear()
        return session

    async def offer(
        self,
        address: str | None = None,
        label: str = "",
        replaces: RegisteredSession | None = None,
    ) -> RegisteredSession:
        """A session that is half-open."""
        await self.registry.open("offer", SessionOptions(label=label), address, None, replaces)
        return self.made[-1]

    def connect(self, session: RegisteredSession) -> bool:
        """Its DTLS is up; whether it is still there."""
        session.connected = True
        self.registry.tick()
        return self.registry.get(session.id) is session

    @property
    def live(self) -> list[RegisteredSession]:
        """The connected sessions, oldest first."""
        connected = {session.id for session in self.registry.connected}
        return [session for session in self.made if session.id in connected]

    async def refused(self, address: str | None = None) -> str:
        with pytest.raises(FullError) as caught:
            await self.open(address)
        return caught.value.code


async def test_an_offer_opens_a_session_that_is_found_until_it_is_closed() -> None:
    registered = Registered()
    options = SessionOptions(slo_ms=200.0, label="door")
    session, answer = await registered.registry.open("offer", options)
    assert answer == "answer to offer"
    assert registered.made[0].options is options
    assert registered.registry.get(session.id) is session
    assert registered.registry.by_name(session.name) is session
    assert [view.name for view in registered.registry.views()] == [session.name]
    assert registered.changes == []
    registered.made[0].connected = True
    registered.registry.tick()
    assert registered.changes == ["join"]
    await registered.registry.close(session, "done")
    await registered.registry.close(session, "again")
    assert registered.made[0].closed == [("done", "ended")]
    assert registered.registry.get(session.id) is registered.registry.by_name(session.name) is None
    assert registered.changes == ["join", "leave"]


async def test_a_bad_offer_leaves_no_session_behind() -> None:
    registered = Registered(limit=1, limit_per_address=1)
    with pytest.raises(SdpError):
        await registered.registry.open("bad", SessionOptions(), "a")
    assert len(registered.registry) == 0
    assert registered.made[0].closed == [("its offer was refused", "ended")]
    await registered.open("a")  # its place, and its address's, are free


@pytest.mark.parametrize(
    ("ready", "draining", "overload", "code"),
    [
        (False, True, "why", "draining"),
        (False, False, "why", "not_ready"),
        (True, False, "why", "busy"),
    ],
)
async def test_a_session_is_refused_with_the_first_reason(
    ready: bool, draining: bool, overload: str, code: str
) -> None:
    registered = Registered()
    registered.ready, registered.overload = ready, Overload(overload)
    registered.registry.drain(draining)
    assert await registered.refused() == code
    refusal = registered.registry.refusal()
    assert refusal is not None
    assert refusal.code == code
    assert not registered.made


async def test_admission_is_asked_with_the_objective_and_may_name_another() -> None:
    registered = Registered()
    late = await registered.offer()
    registered.overload = Overload("no room", 250.0)
    with pytest.raises(FullError, match="no room; there is room with slo_ms=250") as refused:
        await registered.registry.open("offer", SessionOptions(slo_ms=100.0))
    assert (refused.value.code, refused.value.slo_ms) == ("busy", 250.0)
    assert registered.asked[-1] == 100.0
    registered.connect(late)
    assert registered.asked[-1] is None  # the default


async def test_places_are_limited_in_all_and_by_address() -> None:
    registered = Registered(limit=3, limit_per_address=1)
    first = await registered.open("a")
    assert await registered.refused("a") == "address_full"
    await registered.open("b")
    await registered.open(None)  # this machine itself: its address does not count
    assert await registered.refused("c") == "full"
    await registered.registry.close(first, "done")
    assert registered.registry.refusal("a") is None


async def test_offers_that_never_connect_take_no_place() -> None:
    registered = Registered(limit=1, limit_per_address=1)
    await registered.offer("a")
    await registered.offer("a")
    assert registered.registry.connected == []
    assert await registered.refused("a") == "address_half_open"
    honest = await registered.open("b")
    assert registered.registry.connected == [honest]
    assert registered.changes == ["join"]


async def test_a_session_that_is_refused_as_it_connects_is_reported() -> None:
    registered = Registered(limit=1)
    first, second = await registered.offer("a"), await registered.offer("b")
    assert registered.connect(first)
    assert not registered.connect(second)
    assert registered.refusals == [(second.name, "full")]


async def test_a_half_open_session_ends_without_having_left() -> None:
    registered = Registered()
    await registered.registry.close(await registered.offer(), "done")
    assert registered.changes == []


async def test_the_oldest_half_open_session_gives_way_once_it_had_time_to_connect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("edge.session.registry.session_registry.now_ms", lambda: now)
    registered = Registered(half_open_limit=2)
    first, second = await registered.offer("a"), await registered.offer("b")
    now = HALF_OPEN_MIN_MS - 1.0
    assert await registered.refused("c") == "half_open_full"
    now = HALF_OPEN_MIN_MS
    await registered.open("c")
    async with asyncio.timeout(20):
        await first.ended.wait()
    assert first.closed == [("not connected in time, and displaced", "timeout")]
    assert not second.closed


@pytest.mark.parametrize("code", ["full", "address_full", "busy"])
async def test_limits_are_checked_again_when_a_session_connects(code: str) -> None:
    limits = {"full": {"limit": 1}, "address_full": {"limit_per_address": 1}, "busy": {}}
    registered = Registered(**limits[code])
    late = await registered.offer("a")
    await registered.open("a")
    registered.overload = Overload("too many") if code == "busy" else None
    late.connected = True
    registered.registry.tick()
    async with asyncio.timeout(20):
        await late.ended.wait()
    assert late.closed[0][1] == code
    assert len(registered.registry) == 1


async def test_draining_can_be_taken_back() -> None:
    registered = Registered()
    registered.registry.drain()
    assert registered.registry.draining
    assert await registered.refused() == "draining"
    registered.registry.drain(False)
    await registered.open()


async def test_sessions_of_a_drained_node_are_asked_to_move_and_waited_for() -> None:
    registered = Registered(drain_s=60)
    session = await registered.open()
    half_open = await registered.offer()
    registered.registry.tick()
    assert not session.actions
    registered.registry.drain()
    registered.registry.tick()
    registered.registry.tick()
    assert session.actions == [MoveSession()]
    assert not half_open.actions
    emptied = asyncio.create_task(registered.registry.emptied())
    await registered.registry.close(session, "moved")
    assert not emptied.done()
    await registered.registry.close(half_open, "moved")
    await emptied
    registered.registry.tick()
    assert registered.registry.drained == {"left": 1, "ended": 0}


async def test_a_drain_that_is_taken_back_asks_nobody_more() -> None:
    registered = Registered(drain_s=0)
    session = await registered.open()
    registered.registry.drain()
    registered.registry.drain(False)
    registered.registry.tick()
    assert not session.actions
    assert not session.closed


async def test_who_has_not_moved_when_the_drain_is_over_is_ended() -> None:
    registered = Registered(drain_s=0)
    opened = [await registered.open(), await registered.offer()]
    registered.registry.drain()
    registered.registry.tick()
    await registered.registry.emptied()
    for session in opened:
        await session.ended.wait()
        assert session.closed == [("the node is drained", "draining")]
    registered.registry.tick()
    assert registered.registry.drained == {"left": 0, "ended": 1}


async def test_sessions_of_a_server_alone_go_on_while_it_is_drained() -> None:
    registered = Registered()
    session = await registered.open()
    registered.registry.drain()
    registered.registry.tick()
    assert not session.actions
    assert not session.closed


async def test_actions_reach_the_session_of_that_name() -> None:
    registered = Registered()
    first, second = await registered.open(), await registered.open()
    action = SetSlo(slo_ms=200.0)
    assert await registered.registry.act(second.name, action)
    assert (first.actions, second.actions) == ([], [action])
    assert registered.changes[-1] == "pin"  # so that the next plan takes it into account
    assert await registered.registry.act(first.name, EndSession())
    assert first.closed == [("ended by the operator", "ended")]
    assert not await registered.registry.act(first.name, action)


async def test_a_session_that_fails_in_its_tick_does_not_keep_others_from_theirs() -> None:
    registered = Registered()
    faulty = await registered.open(label="faulty")
    sound = await registered.open()
    faulty.ticks.clear()
    registered.registry.tick()
    assert len(faulty.ticks) == len(sound.ticks) == 1


async def test_a_session_that_asks_to_be_closed_is_closed_with_its_reason() -> None:
    registered = Registered()
    session = await registered.open()
    session.fail("the page is gone")
    async with asyncio.timeout(20):
        await session.ended.wait()
    assert session.closed == [("the page is gone", "timeout")]
    assert len(registered.registry) == 0
    await registered.registry.close_all("the server is shutting down")
    assert len(session.closed) == 1


async def test_all_sessions_are_closed_before_the_server_stops(caplog: Any) -> None:
    caplog.set_level("INFO")
    registered = Registered()
    sessions = [await registered.open() for _ in range(3)]
    await registered.registry.close_all("bye")
    assert [session.closed for session in sessions] == 3 * [[("bye", "draining")]]
    assert await registered.refused() == "draining"
    assert "event=session_closed session=000002 reason=bye answered=2" in caplog.text


async def test_a_chain_of_replacements_takes_no_more_than_one_place_more() -> None:
    registered = Registered(limit=2, limit_per_address=2)
    first = last = await registered.open("a")
    await registered.open("a")
    for _ in range(10):
        last = await registered.offer("a", replaces=last)
        assert registered.connect(last)
        assert len(registered.live) == 3
    assert first in registered.live
    last.answered = True
    registered.registry.tick()
    assert first.id not in {session.id for session in registered.live}
    assert len(registered.live) == 2


async def test_two_successors_of_one_session_leave_one() -> None:
    registered = Registered(limit=1)
    first = await registered.open()
    second = await registered.offer(replaces=first)
    assert registered.connect(second)
    fourth = await registered.offer(replaces=second)
    assert registered.connect(fourth)
    third = await registered.offer(replaces=first)
    assert registered.connect(third)
    assert registered.live == [first, third]
    await registered.registry.close(first, "done")
    assert registered.live == [third]
    assert await registered.refused() == "full"


async def test_the_place_of_a_session_is_kept_until_its_successor_has_connected() -> None:
    registered = Registered(limit=1)
    first = await registered.open()
    second = await registered.offer(replaces=first)
    assert await registered.refused() == "full"
    await registered.registry.close(first, "done")
    third = await registered.open()
    assert not registered.connect(second)  # its place is another's
    assert registered.live == [third]


@pytest.mark.parametrize("refused", ["limit", "busy"])
async def test_replacing_a_session_without_a_place_gives_none(refused: str) -> None:
    registered = Registered(limit=1 if refused == "limit" else 8)
    first = await registered.offer("a")
    second = await registered.offer("b", replaces=first)
    if refused == "limit":
        await registered.open("c")
    else:
        registered.overload = Overload("too much")
    assert not registered.connect(second)
    assert second.id not in {session.id for session in registered.registry}


@pytest.mark.parametrize("draining", [True, False])
async def test_limits_hold_while_the_server_is_draining_or_no_device_is_ready(
    draining: bool,
) -> None:
    registered = Registered(limit=1)
    late = await registered.offer("a")
    await registered.open("b")
    registered.ready = draining
    registered.registry.drain(draining)
    assert not registered.connect(late)


async def test_an_unanswered_successor_ends_the_old_one_after_some_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("edge.session.registry.session_registry.now_ms", lambda: now)
    registered = Registered(limit=1)
    first = await registered.open()
    second = await registered.offer(replaces=first)
    now = 1000.0
    assert registered.connect(second)
    now += ANSWER_TIMEOUT_MS - 1.0
    registered.registry.tick()
    assert registered.live == [first, second]
    now += 1.0
    registered.registry.tick()
    async with asyncio.timeout(20):
        await first.ended.wait()
    assert first.closed == [("replaced by another", "replaced")]
    assert registered.live == [second]


async def test_a_bad_offer_displaces_no_successor() -> None:
    registered = Registered(limit=1)
    first = await registered.open()
    second = await registered.offer(replaces=first)
    with pytest.raises(SdpError):
        await registered.registry.open("bad", SessionOptions(), None, None, first)
    assert registered.connect(second)
    assert registered.live == [first, second]


async def test_a_session_may_be_displaced_by_the_one_that_replaces_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("edge.session.registry.session_registry.now_ms", lambda: now)
    registered = Registered(half_open_limit=2)
    first, _ = await registered.offer("a", "door"), await registered.offer("b")
    now = HALF_OPEN_MIN_MS
    second = await registered.offer("c", replaces=first)
    assert second.options.label == "door"  # it is taken over all the same
    async with asyncio.timeout(20):
        await first.ended.wait()
    assert registered.connect(second)
    third = await registered.offer("c", replaces=second)
    assert registered.connect(third)
    assert registered.live == [second, third]


STEP = st.tuples(
    st.sampled_from(
        ["offer", "open", "open", "bad", "connect", "connect", "answer", "close", "wait", "drain"]
    ),
    st.integers(0, 7),
    st.sampled_from(["a", "b", None]),
    st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(
    limit=st.integers(1, 3),
    per_address=st.integers(1, 2),
    steps=st.lists(STEP, min_size=10, max_size=60),
)
def test_whatever_replaces_what_the_limits_hold(
    limit: int, per_address: int, steps: list[tuple[str, int, str | None, bool]]
) -> None:
    async def run(clock: list[float]) -> None:
        registered = Registered(limit=limit, limit_per_address=per_address)
        address_of: dict[str, str | None] = {}
        connected_ms: dict[str, float] = {}
        successors: set[str] = set()
        for kind, number, address, replacing in steps:
            there = [session for session in registered.made if not session.closed]
            chosen = there[-1 - number % len(there)] if there else None
            if kind in ("offer", "open", "bad"):
                replaced = chosen if replacing else None
                try:
                    await registered.registry.open(
                        kind, SessionOptions(), address, replaces=replaced
                    )
                except (FullError, SdpError):
                    pass
                else:
                    address_of[registered.made[-1].id] = address
                    registered.made[-1].connected = kind == "open"
                    if replaced is not None:
                        successors.add(registered.made[-1].id)
            elif kind == "wait":
                clock[0] += (100.0, HALF_OPEN_MIN_MS, ANSWER_TIMEOUT_MS)[number % 3]
            elif kind == "drain":
                registered.registry.drain(replacing)
            elif chosen is not None and kind == "connect":
                chosen.connected = True
            elif chosen is not None and kind == "answer":
                chosen.answered = chosen.connected
            elif chosen is not None:
                await registered.registry.close(chosen, "done")
            registered.registry.tick()
            await asyncio.sleep(0)  # for those that end
            for session in registered.live:
                connected_ms.setdefault(session.id, clock[0])
            pending = [
                session
                for session in registered.live
                if session.id in successors
                and not session.answered
                and clock[0] - connected_ms[session.id] < ANSWER_TIMEOUT_MS
            ]
            assert len(registered.live) <= limit + min(len(pending), limit)
            for each in ("a", "b"):
                own = sum(address_of[session.id] == each for session in registered.live)
                own_pending = sum(address_of[session.id] == each for session in pending)
                assert own <= per_address + min(own_pending, per_address)
        clock[0] += ANSWER_TIMEOUT_MS
        registered.registry.tick()
        assert len(registered.live) <= limit

    with pytest.MonkeyPatch.context() as patched:
        clock = [0.0]
        patched.setattr("edge.session.registry.session_registry.now_ms", lambda: clock[0])
        asyncio.run(run(clock))
