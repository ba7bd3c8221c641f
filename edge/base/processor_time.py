"""Processor time of a thread's own work.

A full garbage collection runs in whatever code happens to make the next object, and visits the
objects of all: its time is nobody's.
"""

from __future__ import annotations

import gc
import threading
import time
from typing import Any

_FULL = 2  # the generation that holds all objects


class _Collections(threading.local):
    """Of this thread, in seconds of processor time."""

    began_s = 0.0
    total_s = 0.0


_collections = _Collections()


def work_time() -> float:
    """Seconds of processor time that this thread has worked, full collections left out."""
    return time.thread_time() - _collections.total_s


def _observe(phase: str, info: dict[str, Any]) -> None:
    if info["generation"] != _FULL:
        return
    if phase == "start":
        _collections.began_s = time.thread_time()
    else:
        _collections.total_s += time.thread_time() - _collections.began_s


gc.callbacks.append(_observe)
