"""Objects that live as long as their process are exempt from garbage collection."""

from __future__ import annotations

import subprocess
import sys

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
