"""A child process ends with its parent, and leaves the terminal's signals to it."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

PARENT = """
import os, subprocess, sys
from edge.ipc.parent_watch import terminate_with_parent

child = '''
import os, signal, sys
from edge.ipc.parent_watch import die_with_parent
{setup}
os.kill(os.getpid(), signal.SIGINT)
{after}
print(os.getpid(), flush=True)
signal.pause()
'''
process = subprocess.Popen([sys.executable, "-c", child], preexec_fn={preexec})
sys.stdin.readline()
os._exit(0)
"""


async def ended(pid: int) -> None:
    """Wait for the end of a process that may not be a child of ours."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(pidfd, over.set)
    await over.wait()
    asyncio.get_running_loop().remove_reader(pidfd)
    os.close(pidfd)


@pytest.mark.parametrize(
    ("setup", "after", "preexec"),
    [
        ("die_with_parent(os.getppid())", "os.kill(os.getpid(), signal.SIGTERM)", "None"),
        ("signal.signal(signal.SIGINT, signal.SIG_IGN)", "", "terminate_with_parent"),
    ],
    ids=["die_with_parent", "terminate_with_parent"],
)
async def test_a_child_ends_with_its_parent(setup: str, after: str, preexec: str) -> None:
    program = PARENT.format(setup=setup, after=after, preexec=preexec)
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())  # it has outlived the signals that it ignores
    parent.kill()
    await parent.wait()
    await ended(child)


async def test_a_child_whose_parent_has_ended_already_exits_at_once() -> None:
    program = "from edge.ipc.parent_watch import die_with_parent; die_with_parent(1 << 22)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == 1
