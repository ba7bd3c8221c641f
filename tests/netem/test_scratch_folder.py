"""Temporary files in one folder: removed by its owner, or by the next command."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from netem.links.namespace import PREFIX, start_ticks
from netem.scratch_folder import remove_stale, scratch, users


@pytest.fixture(autouse=True)
def _outer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="el"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.delenv("TMPDIR", raising=False)


def test_temporary_files_are_in_the_folder_and_gone_afterwards() -> None:
    outer = tempfile.gettempdir()
    with scratch() as folder:
        assert folder.parent == Path(outer)
        assert Path(tempfile.mkdtemp()).parent == folder
        assert os.environ["TMPDIR"] == str(folder)
    assert not folder.exists()
    assert tempfile.gettempdir() == outer
    assert "TMPDIR" not in os.environ


def test_the_folder_of_a_dead_owner_is_removed_with_its_processes_and_others_stay() -> None:
    outer = Path(tempfile.gettempdir())
    living = outer / f"{PREFIX}-{os.getpid()}-{start_ticks(os.getpid())}"
    dead = outer / f"{PREFIX}-{os.getpid()}-1"  # this pid, another start
    for folder in (living, dead, outer / "other"):
        folder.mkdir()
    environment = {**os.environ, "TMPDIR": str(dead)}
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environment
    )
    try:
        assert users(dead) == [child.pid]
        assert remove_stale() == [dead.name]
        assert child.wait(10.0) == -9
    finally:
        child.kill()
        child.communicate()
    assert {path.name for path in outer.iterdir()} == {living.name, "other"}


def test_a_path_too_long_for_browsers_sockets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    long = Path(tempfile.gettempdir()) / ("x" * 50)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with pytest.raises(OSError, match="path too long"), scratch():
        pass
