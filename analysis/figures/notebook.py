"""What notebooks start from."""

from __future__ import annotations

import os
from pathlib import Path

from analysis.figures.found import PROJECT, Found, find

RECORDED = PROJECT / "tests" / "data"  # small, and the same everywhere


def results() -> Found:
    """What the folder that the environment's RESULTS names holds; by default the small recorded
    results that the tests use."""
    return find([Path(os.environ.get("RESULTS", RECORDED))])
