"""Packages of npm for tests: those of a lock file, fetched once a machine into the cache folder."""

from __future__ import annotations

import functools
import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from edge.base.directories import cache_dir

ROOT = Path(__file__).parents[1]
INSTALL_S = 120.0  # for npm, which asks its registry once
# What npm says when the fault is the lock file's: no reason to go without the packages.
_OUR_FAULT = ("EUSAGE", "EINTEGRITY", "EJSONPARSE")


class NpmMissingError(Exception):
    """The packages can't be had here, and why."""


@functools.cache
def installed(folder: Path) -> Path:
    """A folder with `node_modules` as the lock file of the repository's `folder` has it.

    Raises NpmMissingError where Node.js or npm are missing or too old, or without a registry.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NpmMissingError(f"{'npm' if node else 'Node.js'} is not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    # The root's package is one that others may depend on, by its path.
    files = [folder / "package.json", folder / "package-lock.json", ROOT / "package.json"]
    key = hashlib.sha256(b"".join(file.read_bytes() for file in files) + version.encode())
    kept = cache_dir() / "npm" / key.hexdigest()[:16]
    inside = folder.relative_to(ROOT)
    if kept.is_dir():
        return kept / inside
    kept.parent.mkdir(parents=True, exist_ok=True)
    # Made beside it and renamed: another process may be at the same.
    with tempfile.TemporaryDirectory(dir=kept.parent) as made:
        (made / inside).mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copy(file, made / file.relative_to(ROOT))
        _install(npm, made / inside)
        try:
            Path(made).rename(kept)
        except OSError:
            if not kept.is_dir():
                raise
        else:
            Path(made).mkdir()  # for the context manager to remove
    return kept / inside


def _install(npm: str, folder: Path) -> None:
    command = [npm, "ci", "--ignore-scripts", "--engine-strict", "--no-audit", "--no-fund"]
    command += ["--fetch-retries=1", "--fetch-timeout=20000", "--prefer-offline"]
    try:
        subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True, timeout=INSTALL_S
        )
    except subprocess.TimeoutExpired:
        raise NpmMissingError(f"npm ci has not ended in {INSTALL_S:.0f} s") from None
    except subprocess.CalledProcessError as error:
        words = [re.sub(r"^npm error ", "", line) for line in error.stderr.splitlines()]
        if any(code in error.stderr for code in _OUR_FAULT):
            raise RuntimeError(f"npm ci: {error.stderr}") from None
        raise NpmMissingError(f"npm ci: {'; '.join(words[:3])}") from None
