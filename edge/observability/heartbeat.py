"""A heartbeat of the event loop; without it, a stuck process ends and can be started again."""

from __future__ import annotations

import asyncio
import faulthandler

from edge.observability import systemd

INTERVAL_S = 1.0


async def beat(stuck_exit_s: float) -> None:
    """Beat until cancelled. Once the loop has not run for `stuck_exit_s` (0: however long), the
    stacks of all threads go to standard error and the process exits with status 1.

    `faulthandler` does that in a thread of C, so that a call that holds the interpreter's lock is
    noticed too. systemd's watchdog, if it is in use, gets its notification with each beat.
    """
    watchdog_s = systemd.watchdog_s()
    interval_s = INTERVAL_S if watchdog_s is None else min(INTERVAL_S, watchdog_s / 2.0)
    try:
        while True:
            if stuck_exit_s > 0.0:
                faulthandler.dump_traceback_later(stuck_exit_s, exit=True)
            if watchdog_s is not None:
                systemd.notify("WATCHDOG=1")
            await asyncio.sleep(interval_s)
    finally:
        faulthandler.cancel_dump_traceback_later()
