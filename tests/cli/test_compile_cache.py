"""Compiled functions are kept where files can be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.cli import compile_cache

READ_ONLY = Path("/proc/self/edge")  # for everybody, root too


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The cache and the data directory, both writable."""
    cache, data = tmp_path / "cache", tmp_path / "data"
    monkeypatch.setenv("EDGE_CACHE", str(cache))
    monkeypatch.setenv("EDGE_DATA", str(data))
    monkeypatch.setenv(compile_cache.VARIABLE, "")
    return cache, data


def _chosen() -> str:
    return os.environ[compile_cache.VARIABLE]


def test_beside_the_source_where_that_can_be_written(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    compile_cache.choose(tmp_path)
    assert not _chosen()


def test_in_the_cache_directory_otherwise(folders: tuple[Path, Path]) -> None:
    compile_cache.choose(READ_ONLY)
    assert _chosen() == str(folders[0] / "numba")
    assert (folders[0] / "numba").is_dir()


def test_in_the_data_directory_where_the_cache_is_read_only(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_CACHE", str(READ_ONLY))
    compile_cache.choose(READ_ONLY)
    assert _chosen() == str(folders[1] / "cache" / "numba")


def test_what_the_image_has_compiled_is_taken_along_once(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, data = folders
    compiled = cache / "numba" / "solvers_1" / "of_the_image.nbi"
    compiled.parent.mkdir(parents=True)
    compiled.write_bytes(b"first")
    writable = os.access

    def access(path: Path, mode: int) -> bool:
        return not str(path).startswith(str(cache)) and writable(path, mode)

    monkeypatch.setattr(os, "access", access)
    compile_cache.choose(READ_ONLY)
    copy = data / "cache" / "numba" / "solvers_1" / "of_the_image.nbi"
    assert copy.read_bytes() == b"first"
    copy.write_bytes(b"of this machine")
    monkeypatch.setenv(compile_cache.VARIABLE, "")
    compile_cache.choose(READ_ONLY)
    assert copy.read_bytes() == b"of this machine"


def test_a_choice_of_the_operator_stands(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(compile_cache.VARIABLE, "/elsewhere")
    compile_cache.choose(READ_ONLY)
    assert _chosen() == "/elsewhere"


def test_without_any_writable_place_nothing_is_set(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("EDGE_CACHE", "EDGE_DATA"):
        monkeypatch.setenv(variable, str(READ_ONLY))
    compile_cache.choose(READ_ONLY)
    assert not _chosen()
