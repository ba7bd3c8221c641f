"""Each fault passes, leaves nothing behind, and does not affect other sessions."""

from __future__ import annotations

import asyncio
import functools
import os

import pytest

from tests.faults import matrix
from tests.faults.matrix import FRAMES, MATRIX, FaultResult

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
    return asyncio.run(matrix.run(name))


@pytest.mark.parametrize(("name", "index"), _CASES)
def test_a_fault_passes_and_does_not_affect_others(name: str, index: int) -> None:
    reason = matrix.skip_reason(name)
    if reason is not None:
        pytest.skip(reason)
    row = _rows(name)[index]
    assert row.before["in_time"] >= FRAMES
    assert row.after["in_time"] >= FRAMES
    assert row.caused == {}, row
    assert row.resources_after.descriptors <= row.resources_before.descriptors, row
    assert row.resources_after.threads <= row.resources_before.threads + POOL, row
    assert row.resources_after.children == row.resources_before.children, row


def test_on_sigterm_publishers_are_notified_and_every_frame_has_its_outcome() -> None:
    _, publishers = asyncio.run(matrix.run_termination())
    for each in publishers:
        stats = each.stats()
        assert stats.pending == 0
        assert stats.in_time > 0
