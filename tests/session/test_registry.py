"""Admission, lookup and end of sessions; the sessions themselves are stand-ins."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AbstractContextManager
from typing import Any

import pytest

from edge.rtc.sdp import SdpError
from edge.scheduling.assignment import Assignment, SessionSnapshot
from edge.session.actions import Change, EndSession, SetSlo
from edge.session.interface import OnCloseRequest, SessionOptions
from edge.session.registry import FullError, SessionRegistry
from edge.session.view import SessionView


class FakeSession:
    """Answers any offer but "bad"; notes what it is asked to do."""

    def __init__(self, number: int, options: SessionOptions, on_close: OnCloseRequest) -> None:
        self.id = f"{number:06}-secret"
        self.name = self.id[:6]
        self.etag = "etag"
        self.label = options.label
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


class Hall:
    """A registry of such sessions, and everything that it was told."""

    def __init__(self, **limits: int) -> None:
        self.made: list[FakeSession] = []
        self.changes: list[str] = []
        self.ready = True
        self.overload: str | None = None
        self.registry = SessionRegistry(
            self._create,
            limit=limits.get("limit", 8),
            limit_per_address=limits.get("limit_per_address", 8),
            ready=lambda: self.ready,
            overload=lambda: self.overload,
            class_names=["car"],
            on_change=self.changes.append,
        )

    def _create(self, options: SessionOptions, on_close: OnCloseRequest) -> FakeSession:
        self.made.append(FakeSession(len(self.made), options, on_close))
        return self.made[-1]

    async def open(self, address: str | None = None, label: str = "") -> FakeSession:
        await self.registry.open("offer", SessionOptions(label=label), address)
        return self.made[-1]

    async def refused(self, address: str | None = None) -> str:
        with pytest.raises(FullError) as caught:
            await self.open(address)
        return caught.value.code


async def test_an_offer_opens_a_session_that_is_found_until_it_is_closed() -> None:
    hall = Hall()
    options = SessionOptions(slo_ms=200.0, label="door")
    session, answer = await hall.registry.open("offer", options)
    assert answer == "answer to offer"
    assert hall.made[0].options is options
    assert hall.registry.get(session.id) is session
    assert hall.registry.by_name(session.name) is session
    assert [view.name for view in hall.registry.views()] == [session.name]
    assert hall.changes == ["join"]
    await hall.registry.close(session, "done")
    await hall.registry.close(session, "again")
    assert hall.made[0].closed == [("done", "ended")]
    assert hall.registry.get(session.id) is hall.registry.by_name(session.name) is None
    assert hall.changes == ["join", "leave"]


async def test_a_bad_offer_leaves_no_session_behind() -> None:
    hall = Hall(limit=1, limit_per_address=1)
    with pytest.raises(SdpError):
        await hall.registry.open("bad", SessionOptions(), "a")
    assert len(hall.registry) == 0
    assert hall.made[0].closed == [("its offer was refused", "ended")]
    await hall.open("a")  # its place, and its address's, are free


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
    hall = Hall()
    hall.ready, hall.overload = ready, overload
    hall.registry.drain(draining)
    assert await hall.refused() == code
    refusal = hall.registry.refusal()
    assert refusal is not None
    assert refusal.code == code
    assert not hall.made


async def test_places_are_limited_in_all_and_by_address() -> None:
    hall = Hall(limit=3, limit_per_address=1)
    first = await hall.open("a")
    assert await hall.refused("a") == "address_full"
    await hall.open("b")
    await hall.open(None)  # this machine itself: its address does not count
    assert await hall.refused("c") == "full"
    await hall.registry.close(first, "done")
    assert hall.registry.refusal("a") is None


async def test_draining_can_be_taken_back() -> None:
    hall = Hall()
    hall.registry.drain()
    assert hall.registry.draining
    assert await hall.refused() == "draining"
    hall.registry.drain(False)
    await hall.open()


async def test_actions_reach_the_session_of_that_name() -> None:
    hall = Hall()
    first, second = await hall.open(), await hall.open()
    action = SetSlo(slo_ms=200.0)
    assert await hall.registry.act(second.name, action)
    assert (first.actions, second.actions) == ([], [action])
    assert hall.changes[-1] == "pin"  # so that the next plan takes it into account
    assert await hall.registry.act(first.name, EndSession())
    assert first.closed == [("ended by the operator", "ended")]
    assert not await hall.registry.act(first.name, action)


async def test_a_session_that_fails_in_its_tick_does_not_keep_others_from_theirs() -> None:
    hall = Hall()
    faulty = await hall.open(label="faulty")
    sound = await hall.open()
    hall.registry.tick()
    assert len(faulty.ticks) == len(sound.ticks) == 1


async def test_a_session_that_asks_to_be_closed_is_closed_with_its_reason() -> None:
    hall = Hall()
    session = await hall.open()
    session.fail("the page is gone")
    async with asyncio.timeout(20):
        await session.ended.wait()
    assert session.closed == [("the page is gone", "timeout")]
    assert len(hall.registry) == 0
    await hall.registry.close_all("the server is shutting down")
    assert len(session.closed) == 1


async def test_all_sessions_are_closed_before_the_server_stops(caplog: Any) -> None:
    caplog.set_level("INFO")
    hall = Hall()
    sessions = [await hall.open() for _ in range(3)]
    await hall.registry.close_all("bye")
    assert [session.closed for session in sessions] == 3 * [[("bye", "draining")]]
    assert await hall.refused() == "draining"
    assert "event=session_closed session=000002 reason=bye answered=2" in caplog.text
