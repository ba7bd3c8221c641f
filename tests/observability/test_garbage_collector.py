"""What lives as long as its process is out of the garbage collector's way."""

from __future__ import annotations

import subprocess
import sys

_HELD = """
import gc
from edge.observability import garbage_collector
kept = [[] for _ in range(10_000)]
kept[0].append(kept)
before = len(gc.get_objects())
garbage_collector.{act}()
print(gc.get_freeze_count() >= 10_000, before - len(gc.get_objects()) >= 10_000, gc.isenabled())
"""


def _said(act: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _HELD.format(act=act)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_what_was_there_is_not_looked_at_again() -> None:
    assert _said("freeze") == "True True True"


def test_a_tool_that_must_not_pause_collects_nothing() -> None:
    assert _said("disable") == "True True False"
