"""One periodic timer for all listeners of an event loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from weakref import WeakKeyDictionary

from edge.base.event_log import get_logger

_log = get_logger(__name__)


class SharedTimer:
    """Calls each listener every `interval_s`, from the first `add` to the last `remove`.

    With a timer for each, the loop would wake up as often as there are listeners.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._timers: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.TimerHandle] = (
            WeakKeyDictionary()
        )
        self._listeners: WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[Callable[[], None], contextvars.Context]
        ] = WeakKeyDictionary()

    def add(self, listener: Callable[[], None]) -> None:
        """Call `listener` on the running loop, in the present context."""
        loop = asyncio.get_running_loop()
        self._listeners.setdefault(loop, {})[listener] = contextvars.copy_context()
        if loop not in self._timers:
            self._timers[loop] = loop.call_later(self._interval_s, self._on_timer, loop)

    def remove(self, listener: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        """Stop calling `listener`; harmless when repeated."""
        listeners = self._listeners.get(loop, {})
        listeners.pop(listener, None)
        if not listeners and (timer := self._timers.pop(loop, None)) is not None:
            timer.cancel()

    def listener_count(self, loop: asyncio.AbstractEventLoop) -> int:
        return len(self._listeners.get(loop, {}))

    def _on_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timers[loop] = loop.call_later(self._interval_s, self._on_timer, loop)
        for listener, context in list(self._listeners[loop].items()):
            context.run(_call, listener)


def _call(listener: Callable[[], None]) -> None:
    try:
        listener()
    except Exception:  # one session's failure must not stop the others
        _log.exception("timer_callback_failed")
