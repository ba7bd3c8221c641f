"""Owners of namespaces, and signals that wait; namespaces themselves need root."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netem.links.namespace import (
    RUN,
    Namespace,
    missing,
    processes_in,
    signals_deferred,
    start_ticks,
)


def test_a_process_is_known_by_its_start_until_it_is_reaped_or_a_zombie() -> None:
    assert start_ticks(os.getpid()) > 0
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert start_ticks(child.pid) >= start_ticks(os.getpid())
    child.communicate()
    assert start_ticks(child.pid) == 0
    assert start_ticks(2**22 + 1) == 0  # above the kernel's greatest pid


@pytest.fixture
def interrupts() -> Iterator[list[int]]:
    received: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    yield received
    signal.signal(signal.SIGINT, before)


def test_signals_wait_for_the_end_and_come_once(interrupts: list[int]) -> None:
    with signals_deferred():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert interrupts == []
    assert interrupts == [signal.SIGINT]
    signal.raise_signal(signal.SIGINT)
    assert interrupts == [signal.SIGINT] * 2


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert missing() == "needs nsenter (util-linux)"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert missing() == "needs root"


def test_a_namespace_that_does_not_exist_has_no_processes() -> None:
    assert processes_in("edgelab-0-0-0") == []


@pytest.mark.kernel
def test_a_namespace_ends_its_processes_and_is_removed() -> None:
    with Namespace() as space:
        child = space.popen(["sleep", "600"])
        assert (RUN / space.name).exists()
    assert child.returncode == -signal.SIGTERM
    assert not (RUN / space.name).exists()
    space.close()  # again, without effect


@pytest.mark.kernel
def test_a_child_that_has_not_entered_yet_ends_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "nsenter"
    slow.write_text("#!/bin/sh\nexec sleep 600\n")
    slow.chmod(0o755)
    with Namespace() as space:
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        child = space.popen(["sleep", "600"])
        assert processes_in(space.name) == []
    assert child.returncode == -signal.SIGTERM
    assert not (RUN / space.name).exists()
