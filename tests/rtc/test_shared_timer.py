"""One timer for all listeners of an event loop."""

from __future__ import annotations

import asyncio
import contextvars

from edge.rtc.shared_timer import SharedTimer


class Listener:
    """Counts its calls; `called` is set after `enough` of them."""

    def __init__(self, enough: int = 3) -> None:
        self.calls = 0
        self.called = asyncio.Event()
        self._enough = enough

    def __call__(self) -> None:
        self.calls += 1
        if self.calls >= self._enough:
            self.called.set()


async def test_every_listener_is_called_until_it_is_removed() -> None:
    timer, loop = SharedTimer(0.001), asyncio.get_running_loop()
    first, second = Listener(), Listener()
    timer.add(first)
    timer.add(second)
    async with asyncio.timeout(60):
        await first.called.wait()
        await second.called.wait()
    timer.remove(first, loop)
    timer.remove(first, loop)  # harmless
    assert timer.listener_count(loop) == 1
    before, third = first.calls, Listener()
    timer.add(third)
    async with asyncio.timeout(60):
        await third.called.wait()
    assert first.calls == before
    timer.remove(second, loop)
    timer.remove(third, loop)
    assert timer.listener_count(loop) == 0


async def test_one_listeners_failure_stops_no_other() -> None:
    timer, loop = SharedTimer(0.001), asyncio.get_running_loop()
    failures, other = 0, Listener()

    def fails() -> None:
        nonlocal failures
        failures += 1
        raise RuntimeError("one session's failure")

    timer.add(fails)
    timer.add(other)
    async with asyncio.timeout(60):
        await other.called.wait()
    assert failures >= 3
    timer.remove(fails, loop)
    timer.remove(other, loop)


async def test_a_listener_may_remove_itself() -> None:
    timer, loop = SharedTimer(0.001), asyncio.get_running_loop()
    done = asyncio.Event()

    def once() -> None:
        timer.remove(once, loop)
        done.set()

    timer.add(once)
    async with asyncio.timeout(60):
        await done.wait()
    assert timer.listener_count(loop) == 0


async def test_each_is_called_in_the_context_that_it_was_added_in() -> None:
    timer, loop = SharedTimer(0.001), asyncio.get_running_loop()
    session = contextvars.ContextVar("session", default="")
    seen: dict[str, str] = {}
    done = asyncio.Event()

    def note(name: str) -> None:
        seen[name] = session.get()
        if len(seen) == 2:
            done.set()

    def first() -> None:
        note("first")

    def second() -> None:
        note("second")

    for listener in (first, second):
        session.set(listener.__name__)
        timer.add(listener)
    session.set("neither")
    async with asyncio.timeout(60):
        await done.wait()
    assert seen == {"first": "first", "second": "second"}
    timer.remove(first, loop)
    timer.remove(second, loop)


def test_each_event_loop_has_its_own_timer() -> None:
    timer = SharedTimer(0.001)

    async def listen() -> None:
        listener = Listener()
        timer.add(listener)
        async with asyncio.timeout(60):
            await listener.called.wait()
        timer.remove(listener, asyncio.get_running_loop())

    asyncio.run(listen())
    asyncio.run(listen())  # the first loop's timer is gone with it
