"""Admission, lookup and end of sessions; the sessions themselves are stand-ins."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AbstractContextManager
from typing import Any

import pytest

from edge.rtc.sdp import SdpError
from edge.scheduling.assignment import Assignment, SessionSnapshot
from edge.session.control.actions import Change, EndSession, SetSlo
from edge.session.interface import OnCloseRequest, SessionOptions
from edge.session.registry import HALF_OPEN_MIN_MS, FullError, SessionRegistry
from edge.session.view import SessionView


class RegisteredSession:
    """Answers any offer but "bad"; records its calls."""

    def __init__(self, number: int, options: SessionOptions, on_close: OnCloseRequest) -> None:
        self.id = f"{number:06}-secret"
        self.name = self.id[:6]
        self.etag = "etag"
        self.label = options.label
        self.connected = False
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

    def subscribe(self) -> AbstractContextManager[asyncio.Queue[str | None]]:
        raise NotImplementedError

    def tick(self, now: float) -> None:
        self.ticks.append(now)
        if self.label == "faulty":
            raise ZeroDivisionError

    def view(self, now_ms: float) -> SessionView:
        return SessionView(name=self.name, label="", state="live", age_s=0.0, slo_ms=100.0)

    async def last_picture(self) -> str | None:
        return None

    def act(self, action: Change) -> None:
        self.actions.append(action)

    def snapshot(self, now_ms: float) -> SessionSnapshot:
        raise NotImplementedError

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
        self.ready = True
        self.overload: str | None = None
        self.registry = SessionRegistry(
            self._create,
            limit=limits.get("limit", 8),
            limit_per_address=limits.get("limit_per_address", 8),
            half_open_limit=limits.get("half_open_limit", 4),
            half_open_limit_per_address=limits.get("half_open_limit_per_address", 2),
            ready=lambda: self.ready,
            overload=lambda: self.overload,
            on_change=self.changes.append,
        )

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

    async def offer(self, address: str | None = None, label: str = "") -> RegisteredSession:
        """A session that is half-open."""
        await self.registry.open("offer", SessionOptions(label=label), address)
        return self.made[-1]

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
    registered.ready, registered.overload = ready, overload
    registered.registry.drain(draining)
    assert await registered.refused() == code
    refusal = registered.registry.refusal()
    assert refusal is not None
    assert refusal.code == code
    assert not registered.made


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


async def test_a_half_open_session_ends_without_having_left() -> None:
    registered = Registered()
    await registered.registry.close(await registered.offer(), "done")
    assert registered.changes == []


async def test_the_oldest_half_open_session_gives_way_once_it_had_time_to_connect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("edge.session.registry.now_ms", lambda: now)
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
    registered.overload = "too many" if code == "busy" else None
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
