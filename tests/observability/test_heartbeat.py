"""A loop that is stuck ends its process with the stacks; one that runs, however busy, does not."""

from __future__ import annotations

import asyncio
import faulthandler
import subprocess
import sys

import pytest

from edge.observability import heartbeat, systemd

PROGRAM = """
import asyncio, ctypes
from edge.observability import heartbeat
heartbeat.INTERVAL_S = 0.05

def stuck_here():
    {stuck}

async def main():
    asyncio.get_running_loop().call_later(0.2, stuck_here)
    await heartbeat.beat(0.5)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "stuck",
    [
        "while True: pass",
        "ctypes.CDLL(None).sleep(600)",
        "ctypes.PyDLL(None).sleep(600)",  # holds the interpreter's lock
    ],
)
def test_a_stuck_process_prints_its_stacks_and_exits(stuck: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(stuck=stuck)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "in stuck_here" in done.stderr


async def test_each_beat_renews_the_deadline_and_notifies_systemd(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[object] = []
    beats = asyncio.Event()

    def notify(state: str) -> None:
        calls.append(state)
        if calls.count(state) == 3:
            beats.set()

    monkeypatch.setattr(systemd, "watchdog_s", lambda: 0.02)
    monkeypatch.setattr(systemd, "notify", notify)
    monkeypatch.setattr(
        faulthandler, "dump_traceback_later", lambda timeout, exit: calls.append((timeout, exit))
    )
    monkeypatch.setattr(
        faulthandler, "cancel_dump_traceback_later", lambda: calls.append("cancelled")
    )
    beating = asyncio.create_task(heartbeat.beat(30.0))
    await asyncio.wait_for(beats.wait(), 60)
    beating.cancel()
    await asyncio.wait([beating])
    assert calls[:4] == [(30.0, True), "WATCHDOG=1"] * 2
    assert calls[-1] == "cancelled"


async def test_0_never_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    armed: list[float] = []
    monkeypatch.setattr(
        faulthandler, "dump_traceback_later", lambda timeout, exit: armed.append(timeout)
    )
    beating = asyncio.create_task(heartbeat.beat(0.0))
    await asyncio.sleep(0)
    beating.cancel()
    await asyncio.wait([beating])
    assert armed == []
