"""Compiled functions give the interpreter's results, even where nothing can be cached."""

from __future__ import annotations

from typing import Any

import numba
import pytest

from edge.scheduling.solvers import compiled as module


def triangle(count: int) -> int:
    total = 0
    for number in range(count):
        total += number
    return total


def test_a_compiled_function_gives_the_same_result() -> None:
    assert module.compiled("int64(int64)")(triangle)(1000) == triangle(1000)


def test_without_a_place_for_the_cache_it_is_compiled_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: list[dict[str, object]] = []
    njit = numba.njit

    def uncachable(signature: str, **options: Any) -> Any:
        used.append(options)
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return njit(signature, **options)

    monkeypatch.setattr(module, "njit", uncachable)
    assert module.compiled("int64(int64)")(triangle)(10) == 45
    assert used == [{"cache": True, "nogil": True}, {"nogil": True}]
