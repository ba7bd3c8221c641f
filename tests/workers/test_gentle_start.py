"""A low priority while loading, of all threads, and never for ever."""

from __future__ import annotations

import multiprocessing
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from edge.workers import gentle_start as module
from edge.workers.gentle_start import gentle_start


def _niceness() -> set[int]:
    """Of all threads of this process."""
    tasks = Path("/proc/self/task").iterdir()
    return {os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in tasks}


def _run(may_return: bool | None, results: Any) -> None:
    if may_return is not None:
        module._may_return = lambda before: may_return
    end = threading.Event()
    with gentle_start(7):
        thread = threading.Thread(target=end.wait)  # as a library's pool: it outlives the loading
        thread.start()
        results.put(_niceness())
    results.put(_niceness())
    end.set()
    thread.join()


def _of_a_process(may_return: bool | None) -> tuple[set[int], set[int]]:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=_run, args=(may_return, results))
    process.start()
    loading, serving = results.get(timeout=60), results.get(timeout=60)
    process.join()
    return loading, serving


def test_a_process_that_may_return_does() -> None:
    before = os.nice(0)
    if not module._may_return(before):
        pytest.skip("this process may not lower its niceness")
    loading, serving = _of_a_process(None)
    assert max(loading) == min(19, before + 7)
    assert serving == {before}


def test_a_process_that_may_not_return_stays_as_it_is() -> None:
    before = os.nice(0)
    assert _of_a_process(False) == ({before}, {before})


def test_without_a_niceness_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_may_return", lambda before: 1 / 0)
    with gentle_start(0):
        pass
