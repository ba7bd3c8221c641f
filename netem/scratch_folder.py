"""Temporary files of a command and its child processes, in one folder named after its owner.

The name is `edgelab-<pid>-<start>`, like those of namespaces (netem/links/namespace.py), so that
the next command can remove the files of one that was killed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from netem.links.namespace import PREFIX, start_ticks

_MAX_PATH = 60  # characters: a browser adds 45 for its socket, whose limit is 107
_NAME = re.compile(rf"{PREFIX}-(\d+)-(\d+)")


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for the temporary files of this process and its children; removed afterwards."""
    outer = tempfile.gettempdir()
    before = os.environ.get("TMPDIR")
    remove_stale()
    folder = Path(outer) / f"{PREFIX}-{os.getpid()}-{start_ticks(os.getpid())}"
    if len(str(folder)) > _MAX_PATH:
        raise OSError(f"{folder}: path too long for browsers' sockets: set TMPDIR to a shorter one")
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = outer
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before
        shutil.rmtree(folder, ignore_errors=True)


def remove_stale() -> list[str]:
    """End the child processes of commands that are gone, and remove their folders; their names."""
    removed = []
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*"):
        match = _NAME.fullmatch(path.name)
        if match and start_ticks(int(match[1])) != int(match[2]):
            for pid in users(path):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path.name)
    return removed


def users(folder: Path) -> list[int]:
    """Process ids whose TMPDIR is this folder."""
    wanted = f"TMPDIR={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found
