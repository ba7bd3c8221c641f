"""Temporary files of a command and of all that it starts, in one folder that says whose it is.

Its name is `edgelab-<pid>-<start>`, as those of namespaces (netem/links/namespace.py): so what a
command that was killed left behind is known, and the next one removes it.
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

_LONGEST = 60  # characters: a browser adds 45 for its socket, and 107 are the most
_NAME = re.compile(rf"{PREFIX}-(\d+)-(\d+)")


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for temporary files, those of processes started meanwhile too; gone afterwards."""
    outer = tempfile.gettempdir()
    before = os.environ.get("TMPDIR")
    clear()
    folder = Path(outer) / f"{PREFIX}-{os.getpid()}-{start_ticks(os.getpid())}"
    if len(str(folder)) > _LONGEST:
        raise OSError(f"{folder}: too long a path for browsers' sockets: set TMPDIR to a short one")
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


def clear() -> list[str]:
    """Ends what commands that are gone had started, and removes their folders; returns their
    names."""
    gone = []
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*"):
        match = _NAME.fullmatch(path.name)
        if match and start_ticks(int(match[1])) != int(match[2]):
            for pid in users(path):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(path, ignore_errors=True)
            gone.append(path.name)
    return gone


def users(folder: Path) -> list[int]:
    """Processes that were started with this folder for their temporary files."""
    wanted = f"TMPDIR={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found
