"""A mosquitto of the test's own, where it is installed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path

import pytest

from edge.ipc.parent_watch import terminate_with_parent
from tests.coturn import listening
from tests.free_port import free_port

_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
_PROGRAM = shutil.which("mosquitto", path=_PATH)
mosquitto = pytest.mark.skipif(_PROGRAM is None, reason="mosquitto is missing: install `mosquitto`")


class Broker:
    """On one port of loopback, however often it is started."""

    def __init__(self, folder: Path, *more: str) -> None:
        """`more`: lines of its configuration."""
        self.port = free_port()
        self._configuration = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "max_queued_messages 100000", *more]
        if os.geteuid() == 0:
            lines.append("user root")  # else it could not read a test's certificates
        if not any(line.startswith("allow_anonymous") for line in more):
            lines.append("allow_anonymous true")
        self._configuration.write_text("\n".join([*lines, ""]))
        self._process: Process | None = None

    async def start(self) -> None:
        assert _PROGRAM is not None
        self._process = await asyncio.create_subprocess_exec(
            _PROGRAM,
            "-c",
            self._configuration,
            stdout=DEVNULL,
            stderr=DEVNULL,
            preexec_fn=terminate_with_parent,
        )
        await listening("127.0.0.1", self.port)

    async def end(self, by: signal.Signals = signal.SIGKILL) -> None:
        """What it retained is gone, too."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(by)
            await self._process.wait()

    def freeze(self) -> None:
        """It stays connected and answers no more, until `end`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    async def __aenter__(self) -> Broker:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()
