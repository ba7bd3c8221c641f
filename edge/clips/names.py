"""Names of clips' files: they sort by time, and no label leads out of the folder. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_UNSAFE = re.compile(r"[^A-Za-z0-9_]+")
_LABEL = 32  # characters of a label
VIDEO, DESCRIPTION, UNFINISHED = ".mkv", ".json", ".part"
_OURS = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[A-Za-z0-9_-]+(\.\d+)?\.(mkv|json)(\.part)?")


def clip_name(at_s: float, label: str, session: str, kind: str) -> str:
    """Such as `20261130T184951.123Z-gate-5f3a9c-line_crossed`; `at_s` in Unix seconds."""
    at = datetime.fromtimestamp(at_s, UTC)
    time = f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03}Z"
    parts = (label[: 4 * _LABEL], session, kind)
    safe = [_UNSAFE.sub("_", part).strip("_")[:_LABEL] or "camera" for part in parts]
    return "-".join([time, *safe])


def part_name(clip: str, part: int) -> str:
    """Without its ending; the first file has the clip's own name."""
    return clip if part == 1 else f"{clip}.{part}"


def is_clip(file: str) -> bool:
    """Whether a file's name is of a clip, or of its description."""
    return _OURS.fullmatch(file) is not None
