"""One timer for all who want to look at the time now and again on an event loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from weakref import WeakKeyDictionary

from edge.event_log import get_logger

_log = get_logger(__name__)


class SharedTimer:
    """Calls each of `listeners` every `interval_s`, from the first one's coming to the last's
    going. A timer of its own for each would wake the loop as often as there are listeners."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._timers: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.TimerHandle] = (
            WeakKeyDictionary()
        )
        self._listeners: WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[Callable[[], None], contextvars.Context]
        ] = WeakKeyDictionary()

    def add(self, listener: Callable[[], None]) -> None:
        """To be called on the loop that runs now, in the context that it is added in."""
        loop = asyncio.get_running_loop()
        self._listeners.setdefault(loop, {})[listener] = contextvars.copy_context()
        if loop not in self._timers:
            self._timers[loop] = loop.call_later(self._interval_s, self._beat, loop)

    def remove(self, listener: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        """Twice is harmless."""
        listeners = self._listeners.get(loop, {})
        listeners.pop(listener, None)
        if not listeners and (timer := self._timers.pop(loop, None)) is not None:
            timer.cancel()

    def listening(self, loop: asyncio.AbstractEventLoop) -> int:
        """How many there are on a loop."""
        return len(self._listeners.get(loop, {}))

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timers[loop] = loop.call_later(self._interval_s, self._beat, loop)
        for listener, context in list(self._listeners[loop].items()):
            context.run(_call, listener)


def _call(listener: Callable[[], None]) -> None:
    try:
        listener()
    except Exception:  # one session's trouble is not the others'
        _log.exception("timer_callback_failed")
