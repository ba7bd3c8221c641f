"""Each fault passes, leaves nothing behind, and does not affect other sessions."""

from __future__ import annotations

import asyncio
import functools
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.faults import matrix, restart
from tests.faults.matrix import FRAMES, MATRIX, FaultResult
from tests.faults.restart import RESTARTS, Restart
from tests.faults.stage import Resources

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


@pytest.mark.parametrize("fault", RESTARTS, ids=lambda fault: fault.name.partition(" (")[0])
def test_the_server_ends_and_the_next_start_serves(fault: Restart, tmp_path: Path) -> None:
    asyncio.run(fault.run(tmp_path))


async def test_on_sigterm_every_frame_has_its_outcome(tmp_path: Path) -> None:
    async with matrix.two_devices(tmp_path) as at:
        await restart.end(at)
    for each in at.publishers:
        stats = each.stats()
        assert stats.pending == 0
        assert stats.in_time > 0


def _row(**fields: Any) -> FaultResult:
    resources = Resources(1, 1, 1)
    none: Counter[str] = Counter()
    defaults = {"fault": "x", "promise_s": 5.0, "recovery_s": 4.0, "noticed_s": None}
    more = {"dropped": 0, "before": none, "after": none}
    return FaultResult(
        **{**defaults, **more, **fields}, resources_before=resources, resources_after=resources
    )


@pytest.mark.parametrize(
    ("fields", "broken"),
    [
        ({}, []),
        ({"recovery_s": 5.1}, ["recovery took 5.1 s, not 5 s"]),
        ({"promise_s": None, "recovery_s": 50.0}, []),
        ({"noticed_s": 1.9}, []),
        ({"noticed_s": 2.1}, ["noticed after 2.1 s, not 2 s"]),
        ({"after": Counter(failed=2, late=3)}, ["others' frames failed: 2"]),
    ],
)
def test_a_broken_promise_is_named(fields: dict[str, Any], broken: list[str]) -> None:
    assert _row(**fields).broken == broken
