"""The garbage collector, the objects that live as long as their process, and free memory.

A full collection visits every object and stops the whole process meanwhile: 120 ms for the 220,000
objects that a server's modules alone create. Frozen objects are not visited again.
"""

from __future__ import annotations

import ctypes
import gc


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
