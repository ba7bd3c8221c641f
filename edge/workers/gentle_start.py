"""A low priority while a worker loads a model, so that those that serve are not slowed down."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def gentle_start(niceness: int) -> Iterator[None]:
    """Run the block with `niceness` more than before, where the process may return from it.

    Without the right to (`CAP_SYS_NICE`, or a resource limit: systemd's `LimitNICE=+0`), nothing is
    changed: a worker must not serve at a low priority for ever.
    """
    before = os.nice(0)
    if niceness <= 0 or not _may_return(before):
        yield
        return
    os.nice(niceness)
    try:
        yield
    finally:
        # On Linux each thread has its own, and inherits that of the one which started it.
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, int(task.name), before)


def _may_return(before: int) -> bool:
    """Whether a process like this one may lower its niceness to `before`; tried by a child."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.nice(1)
            os.setpriority(os.PRIO_PROCESS, 0, before)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return status == 0
