"""The folder of clips: made where it is missing, and kept within its bytes."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from edge.clips.names import DESCRIPTION, UNFINISHED, VIDEO, is_clip

_ABANDONED_S = 900.0  # since it was last written: its process has gone; no clip is as long


def prepare(folder: Path) -> None:
    """Make it, for its owner alone; one that is there keeps its mode."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def check(folder: Path) -> None:
    """OSError unless files can be made in it."""
    prepare(folder)
    with tempfile.TemporaryFile(dir=folder):
        pass


def publish(unfinished: Path) -> None:
    """A file is whole: give it its name."""
    unfinished.rename(unfinished.with_name(unfinished.name.removesuffix(UNFINISHED)))


def write_description(path: Path, text: str) -> None:
    """A description, whole or not at all."""
    unfinished = path.with_name(path.name + UNFINISHED)
    unfinished.unlink(missing_ok=True)
    number = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
        publish(unfinished)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


def make_room(folder: Path, max_bytes: int) -> int:
    """Delete what was never finished, and the oldest clips until all have `max_bytes` at most.

    Files of other names are neither counted nor deleted. Returns how many clips went; several
    processes may do this at a time.
    """
    sizes: dict[str, int] = {}
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        if not is_clip(entry.name) or not entry.is_file(follow_symlinks=False):
            continue
        try:
            status = entry.stat(follow_symlinks=False)
            if entry.name.endswith(UNFINISHED) and time.time() - status.st_mtime > _ABANDONED_S:
                os.unlink(entry.path)
                continue
        except FileNotFoundError:
            continue
        sizes[entry.name] = status.st_size
    total, deleted = sum(sizes.values()), 0
    for name in [each for each in sizes if each.endswith(VIDEO)]:
        if total <= max_bytes:
            break
        description = name.removesuffix(VIDEO) + DESCRIPTION
        for file in (name, description):
            (folder / file).unlink(missing_ok=True)
            total -= sizes.get(file, 0)
        deleted += 1
    return deleted
