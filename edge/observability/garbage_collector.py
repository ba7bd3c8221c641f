"""The garbage collector, the objects that live as long as their process, and free memory.

Python collects its oldest generation only once a quarter as many objects again have been made. A
few cycles that hold large buffers (an exception, and the frame with what it was raised over) would
stay for hours: `MemoryReclaimer` collects once the process has grown.

A full collection visits every object and stops the whole process meanwhile: 120 ms for the 220,000
objects that a server's modules alone create. Frozen objects are not visited again.
"""

from __future__ import annotations

import ctypes
import gc
import resource
from collections.abc import Callable
from pathlib import Path

RECLAIM_INTERVAL_MS = 15_000.0  # at least, between two collections
RECLAIM_BYTES = 8 << 20  # by which the process has grown since the last


def freeze() -> None:
    """Collect once, then exempt every object that is alive now from later collections."""
    gc.collect()
    gc.freeze()


def trim() -> None:
    """Return the free memory of the C library's heap to the system, where it is glibc's."""
    if (malloc_trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        malloc_trim(0)


def disable() -> None:
    """For a short-lived tool that must not pause: reference cycles are not collected any more."""
    freeze()
    gc.disable()


def resident_bytes() -> int:
    """This process's memory, as the system counts it; 0 where it does not say."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()


def collect_and_trim() -> None:
    """All generations, and the heap that they leave."""
    gc.collect()
    trim()


class MemoryReclaimer:
    """Collects garbage and returns free memory where the process has grown by `RECLAIM_BYTES`."""

    def __init__(
        self,
        resident: Callable[[], int] = resident_bytes,
        reclaim: Callable[[], None] = collect_and_trim,
    ) -> None:
        self._resident, self._reclaim = resident, reclaim
        self._least_bytes = resident()  # since the last collection
        self._reclaimed_ms = float("-inf")

    def observe(self, now_ms: float) -> bool:
        """To be called about once a second; whether it collected, which takes some 10 ms."""
        if now_ms - self._reclaimed_ms < RECLAIM_INTERVAL_MS:
            return False
        self._least_bytes = min(self._least_bytes, resident := self._resident())
        if resident - self._least_bytes < RECLAIM_BYTES:
            return False
        self._reclaim()
        self._least_bytes, self._reclaimed_ms = self._resident(), now_ms
        return True
