"""Objects that live as long as their process are exempt from garbage collection; others are not."""

from __future__ import annotations

import subprocess
import sys

from edge.observability.garbage_collector import (
    RECLAIM_BYTES,
    RECLAIM_INTERVAL_MS,
    MemoryReclaimer,
)

_SCRIPT = """
import gc
from edge.observability import garbage_collector
kept = [[] for _ in range(10_000)]
kept[0].append(kept)
before = len(gc.get_objects())
garbage_collector.{act}()
print(gc.get_freeze_count() >= 10_000, before - len(gc.get_objects()) >= 10_000, gc.isenabled())
"""


def _printed(act: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(act=act)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_objects_of_before_are_frozen() -> None:
    assert _printed("freeze") == "True True True"


def test_a_tool_that_must_not_pause_collects_nothing() -> None:
    assert _printed("disable") == "True True False"


_GROWN = """
from edge.observability import garbage_collector
kept = [[] for _ in range(400_000)]
garbage_collector.freeze()
reclaimer = garbage_collector.MemoryReclaimer()
before = garbage_collector.resident_bytes()
for _ in range(200):  # as an exception and the frame that it was raised in, but without a quarter
    cycle = [bytes(range(256)) * 1000]  # of all objects
    cycle.append(cycle)
grown = garbage_collector.resident_bytes() - before
collected = reclaimer.observe(0.0)
print(grown > 40e6, collected, garbage_collector.resident_bytes() - before < 0.1 * grown)
"""


def test_a_few_cycles_that_hold_large_buffers_are_collected() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _GROWN], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True True True"


def test_a_process_that_does_not_grow_is_not_stopped_for_it() -> None:
    sizes = {0.0: 100 * RECLAIM_BYTES}
    collections: list[float] = []
    now_ms = 0.0
    reclaimer = MemoryReclaimer(lambda: sizes[now_ms], lambda: collections.append(now_ms))
    for second, more in enumerate((0.0, 0.9, -3.0, -2.2, -1.9, -1.0, 0.5, 5.0, 5.0)):
        now_ms = 1000.0 * second
        sizes[now_ms] = int((100 + more) * RECLAIM_BYTES)
        assert reclaimer.observe(now_ms) == (second == 4)  # from -3.0 to -1.9
    assert collections == [4000.0]
    now_ms = 4000.0 + RECLAIM_INTERVAL_MS  # still larger, and not for so long
    sizes[now_ms] = int(105 * RECLAIM_BYTES)
    assert reclaimer.observe(now_ms)
