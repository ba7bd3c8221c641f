"""When a file of lines is full or old, how it is then called, and which old ones go. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

SUFFIX = ".jsonl"


def is_due(size: int, more: int, age_s: float, *, max_bytes: int, max_age_s: float) -> bool:
    """Whether to rotate before `more` bytes are written to a file of `size`; an empty one stays."""
    return size > 0 and (size + more > max_bytes or age_s >= max_age_s)


def rotated_name(name: str, at_s: float, taken: Iterable[str]) -> str:
    """`NAME-20261130T184951.123Z.jsonl`, at a Unix time; the next free millisecond if taken."""
    names = {*taken}
    ms = int(1000.0 * at_s)
    while True:
        at = datetime.fromtimestamp(ms / 1000.0, UTC)
        found = f"{name}-{at:%Y%m%dT%H%M%S}.{ms % 1000:03d}Z{SUFFIX}"
        if found not in names:
            return found
        ms += 1


def surplus(name: str, names: Iterable[str], keep: int) -> list[str]:
    """The rotated files of this name beyond the newest `keep`, the oldest first."""
    pattern = re.compile(rf"{re.escape(name)}-\d{{8}}T\d{{6}}\.\d{{3}}Z{re.escape(SUFFIX)}")
    rotated = sorted(each for each in names if pattern.fullmatch(each))
    return rotated[: max(0, len(rotated) - keep)]
