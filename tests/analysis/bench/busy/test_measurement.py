"""Busy loops are bounded in number and time, and gone afterwards."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from analysis.bench.busy.measurement import busy_loops


def children() -> list[int]:
    own = Path(f"/proc/{os.getpid()}/task")
    return [int(pid) for task in own.iterdir() for pid in (task / "children").read_text().split()]


async def test_loops_run_meanwhile_and_are_gone_afterwards() -> None:
    before = set(children())
    async with busy_loops(2, 60.0):
        assert len(set(children()) - before) == 2
    assert set(children()) <= before


async def test_they_end_by_themselves() -> None:
    before = set(children())
    async with asyncio.timeout(60), busy_loops(1, 0.01):
        [pid] = set(children()) - before
        while "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]:
            await asyncio.sleep(0.05)  # another process sends no event
            if not Path(f"/proc/{pid}").exists():
                break
