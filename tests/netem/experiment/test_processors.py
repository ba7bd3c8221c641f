"""A run's processors are divided between the server and all that it serves."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from netem.experiment.processors import Processors, ProcessorsError, divide, running_on


def test_the_server_has_its_own_and_the_others_have_the_rest() -> None:
    assert divide([0, 2], {0, 1, 2, 3}) == Processors(frozenset({0, 2}), frozenset({1, 3}))


def test_without_any_all_are_shared() -> None:
    assert divide([], {4, 5}) == Processors(frozenset({4, 5}), frozenset({4, 5}))


@pytest.mark.parametrize(
    ("cpus", "message"),
    [
        ([0, 7], "server_cpus: 7 is not one of this machine's: 0, 1"),
        ([1, 0], "server_cpus: all of 0, 1 leaves none for the clients"),
    ],
)
def test_what_cannot_be_divided_is_named(cpus: list[int], message: str) -> None:
    with pytest.raises(ProcessorsError, match=message):
        divide(cpus, [1, 0])


def test_processes_started_meanwhile_stay_on_them() -> None:
    before = os.sched_getaffinity(0)
    one = min(before)
    ask = [sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"]
    with running_on({one}):
        inside = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
    outside = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
    assert inside.strip() == str({one})
    assert outside.strip() == str(before)
    assert os.sched_getaffinity(0) == before
