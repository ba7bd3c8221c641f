"""A benchmark's server does not outlive it."""

from __future__ import annotations

import os
import select
import subprocess
import sys

_BENCH = """
import asyncio, tempfile
from pathlib import Path
from analysis.bench.edge_server import serving, simulated_device

async def main():
    with tempfile.TemporaryDirectory() as folder:
        async with serving(simulated_device(Path(folder)), 1) as (pid, url):
            print(pid, flush=True)
            await asyncio.Event().wait()

asyncio.run(main())
"""


def test_it_ends_when_the_benchmark_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _BENCH], stdout=subprocess.PIPE) as bench:
        assert bench.stdout is not None
        server = os.pidfd_open(int(bench.stdout.readline()))
        try:
            bench.kill()
            ended, _, _ = select.select([server], [], [], 30.0)
            assert ended
        finally:
            os.close(server)
