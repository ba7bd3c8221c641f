"""Small files that a crash or a loss of power leaves whole: the old one, or the new one."""

from __future__ import annotations

import os
from pathlib import Path


def write_durably(path: Path, data: bytes, mode: int) -> None:
    """Write the file under another name, and rename it; `mode` are its permissions."""
    partial = path.with_suffix(path.suffix + ".part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # it may be left over, and the umask may have narrowed it
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)  # the new name, too, outlives a loss of power
    finally:
        os.close(directory)


def move_aside(path: Path) -> Path:
    """Rename a damaged file, so that it can be looked at; the previous such one is overwritten."""
    broken = path.with_suffix(path.suffix + ".broken")
    path.replace(broken)
    return broken
