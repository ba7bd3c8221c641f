"""A nats-server of the test's own, where it is installed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, Process

import pytest

from edge.ipc.parent_watch import terminate_with_parent
from tests.coturn import listening
from tests.free_port import free_port

PROGRAM = shutil.which("nats-server", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
nats = pytest.mark.skipif(PROGRAM is None, reason="nats-server is missing: install `nats-server`")


class NatsServer:
    """On one port of loopback, however often it is started."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._options = options
        self._process: Process | None = None

    async def start(self) -> None:
        assert PROGRAM is not None
        self._process = await asyncio.create_subprocess_exec(
            *(PROGRAM, "-a", "127.0.0.1", "-p", str(self.port), *self._options),
            stdout=DEVNULL,
            stderr=DEVNULL,
            preexec_fn=terminate_with_parent,
        )
        await listening("127.0.0.1", self.port)

    async def end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """SIGSTOP: it stays connected and answers no more, until SIGCONT."""
        assert self._process is not None
        self._process.send_signal(number)

    async def __aenter__(self) -> NatsServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()
