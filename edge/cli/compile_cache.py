"""Where Numba keeps what it has compiled, when the program's own folder cannot be written."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from edge.base.directories import cache_dir, data_dir

VARIABLE = "NUMBA_CACHE_DIR"
_PACKAGE = Path(__file__).resolve().parents[1]


def choose(package: Path = _PACKAGE) -> None:
    """Set `NUMBA_CACHE_DIR`, unless it is set; call before anything imports Numba.

    Numba keeps compiled functions beside their source, and neither writes nor reads them there
    where that folder is read-only: every start would compile for seconds. Then they are kept in
    `numba` in the cache directory, or in `cache/numba` in the data directory if the former is
    read-only too. What a read-only cache directory has is copied: Numba itself ignores what was
    compiled for other source text or another processor. Where nothing can be written, nothing is
    set.
    """
    if os.environ.get(VARIABLE) or os.access(package, os.W_OK):
        return
    prepared = cache_dir() / "numba"
    for folder in (prepared, data_dir() / "cache" / "numba"):
        if _is_writable(folder):
            if folder != prepared and prepared.is_dir() and not any(folder.iterdir()):
                with contextlib.suppress(OSError, shutil.Error):  # then they are compiled
                    shutil.copytree(prepared, folder, dirs_exist_ok=True)
            os.environ[VARIABLE] = str(folder)
            return


def _is_writable(folder: Path) -> bool:
    """Whether there is such a folder, perhaps made now, and files can be made in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
