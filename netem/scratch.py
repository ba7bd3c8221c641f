"""Temporary files of a command and of all that it starts, in one folder that says whose it is.

Its name is `edgelab-<pid>-<start>`, as those of namespaces (netem/namespace.py): so what a command
that was killed left behind is known, and the next one removes it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from netem.namespace import PREFIX, start_ticks

_NAME = re.compile(rf"{PREFIX}-(\d+)-(\d+)")


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for temporary files, those of processes started meanwhile too; gone afterwards."""
    outer = tempfile.gettempdir()
    before = os.environ.get("TMPDIR")
    clear()
    folder = Path(outer) / f"{PREFIX}-{os.getpid()}-{start_ticks(os.getpid())}"
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
    """Removes the folders of commands that are gone; returns their names."""
    gone = []
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*"):
        match = _NAME.fullmatch(path.name)
        if match and start_ticks(int(match[1])) != int(match[2]):
            shutil.rmtree(path, ignore_errors=True)
            gone.append(path.name)
    return gone
