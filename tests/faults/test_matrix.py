"""Each fault passes, leaves nothing behind, and others don't pay for it."""

from __future__ import annotations

import asyncio
import functools
import os

import pytest

from tests.faults import matrix
from tests.faults.matrix import MATRIX, MOST_RISE, FaultResult

POOL = (os.cpu_count() or 1) + 4  # threads that asyncio's own pool makes as they are first needed

_CASES = [
    pytest.param(
        name,
        index,
        id=fault.name,
        marks=[pytest.mark.weights] if "real" in name else [],
    )
    for name, (_, faults) in MATRIX.items()
    for index, fault in enumerate(faults)
]


@functools.cache
def _rows(name: str) -> list[FaultResult]:
    return asyncio.run(matrix.run(name, attempts=3))


@pytest.mark.parametrize(("name", "index"), _CASES)
def test_a_fault_passes_and_others_do_not_pay(name: str, index: int) -> None:
    reason = matrix.why_not(name)
    if reason is not None:
        pytest.skip(reason)
    row = _rows(name)[index]
    assert row.before[1] > 0
    assert row.after[1] > 0
    assert row.rise <= MOST_RISE, row
    assert row.held_after.descriptors <= row.held_before.descriptors, row
    assert row.held_after.threads <= row.held_before.threads + POOL, row
    assert row.held_after.children == row.held_before.children, row


def test_on_sigterm_publishers_are_told_and_every_frame_has_its_end() -> None:
    _, publishers = asyncio.run(matrix.run_termination())
    for each in publishers:
        stats = each.stats()
        assert stats.pending == 0
        assert stats.in_time > 0
