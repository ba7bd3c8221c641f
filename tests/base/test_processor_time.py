"""Processor time without that of the garbage collector."""

from __future__ import annotations

import gc
import threading
import time

import pytest

from edge.base.processor_time import work_time


def _spin(seconds: float) -> None:
    end_s = time.thread_time() + seconds
    while time.thread_time() < end_s:
        pass


def test_work_counts() -> None:
    before_s, thread_s = work_time(), time.thread_time()
    _spin(0.02)
    assert work_time() - before_s == pytest.approx(time.thread_time() - thread_s, abs=0.005)


def test_a_full_collection_does_not_count_in_the_thread_in_which_it_runs() -> None:
    cycles: list[object] = []
    for _ in range(100_000):
        cycle: list[object] = []
        cycle.append(cycle)
        cycles.append(cycle)
    before_s, thread_s = work_time(), time.thread_time()
    gc.collect()
    collected_s, worked_s = time.thread_time() - thread_s, work_time() - before_s
    assert collected_s > 0.005
    assert worked_s < 0.2 * collected_s


def test_another_thread_s_collection_changes_nothing_here() -> None:
    before_s, thread_s = work_time(), time.thread_time()
    other = threading.Thread(target=gc.collect)
    other.start()
    other.join()
    assert work_time() - before_s == pytest.approx(time.thread_time() - thread_s, abs=0.005)
