"""Shares of processor time between two samples, and the versions in a manifest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netem.experiment import machine_load
from netem.experiment.machine_load import MachineLoad, commit, versions


def test_shares_are_of_the_time_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    before = MachineLoad(busy=1000, total=4000, process=100, own=300)
    usage = MachineLoad(busy=1500, total=5000, process=350, own=700).since(before)
    assert usage.all == 0.5
    assert usage.others == 0.1  # 500 busy ticks, 400 of them the run's own
    assert usage.process_cores == 1.0


def test_own_time_that_is_booked_late_makes_no_negative_share() -> None:
    before = MachineLoad(busy=1000, total=4000, process=0, own=0)
    assert MachineLoad(busy=1010, total=4100, process=0, own=50).since(before).others == 0.0


def test_a_sample_of_this_process() -> None:
    load = MachineLoad.now(os.getpid(), [os.getpid(), os.getpid()])
    assert load.process > 0
    assert 0 <= load.own - 2 * load.process <= 4  # it is read three times, and may run meanwhile
    assert load.process <= load.busy <= load.total
    gone = MachineLoad.now(2**22 + 1, [])  # above the kernel's greatest pid
    assert (gone.process, gone.own) == (0, 0)


def test_the_commit_is_empty_outside_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(machine_load, "ROOT", tmp_path)
    assert commit() == ""


def test_versions_name_python_kernel_and_packages() -> None:
    found = versions()
    assert {"python", "kernel", "aiortc", "torch"} <= set(found)
    assert all(found.values())
