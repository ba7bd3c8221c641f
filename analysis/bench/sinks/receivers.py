"""The receivers of three sinks, which are killed and come back: a webhook's process, a disk, and a
mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Any, Protocol

from analysis.bench.report import MeasurementError
from analysis.bench.sinks.figures import Receipt
from edge.ipc.parent_watch import terminate_with_parent

_DISK_BYTES = 64_000_000
_START_S = 60.0


class Receiver(Protocol):
    """Started and killed in turn; `receipt` is whole after `close`."""

    receipt: Receipt
    settings: dict[str, Any]

    async def start(self) -> None: ...
    async def kill(self) -> None: ...
    async def close(self) -> None: ...


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class WebhookReceiver:
    def __init__(self) -> None:
        self.receipt = Receipt()
        self._port = free_port()
        self.settings = {
            "name": "webhook",
            "kind": "webhook",
            "url": f"http://127.0.0.1:{self._port}/",
            "secret": "a secret of the benchmark",
        }
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "analysis.bench.sinks.webhook_process", str(self._port),
            stdout=PIPE, limit=10_000_000, preexec_fn=terminate_with_parent,
        )  # fmt: skip
        assert self._process.stdout is not None
        async with asyncio.timeout(_START_S):
            await self._process.stdout.readline()  # it listens
        self._reading = asyncio.create_task(self._read(self._process.stdout))

    async def kill(self) -> None:
        if self._process is not None and self._reading is not None:
            self._process.kill()
            await self._process.wait()
            await self._reading

    async def close(self) -> None:
        await self.kill()

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            with contextlib.suppress(ValueError):  # the last line, torn by the kill
                self.receipt.take(json.loads(line))


class DiskReceiver:
    """A file system of its own, in memory, which is filled up; mounting it takes root."""

    def __init__(self, folder: Path, size_bytes: int = _DISK_BYTES) -> None:
        self.receipt = Receipt()
        self._folder, self._size_bytes = folder, size_bytes
        self.settings = {"name": "jsonl", "kind": "jsonl", "folder": str(folder / "results")}

    async def start(self) -> None:
        await asyncio.to_thread(self._start)

    async def kill(self) -> None:
        await asyncio.to_thread(self._fill)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _start(self) -> None:
        if not self._folder.exists():
            self._folder.mkdir()
            mount: list[str | Path] = [
                "mount",
                "-t",
                "tmpfs",
                "-o",
                f"size={self._size_bytes}",
                "tmpfs",
                self._folder,
            ]
            done = subprocess.run(mount, check=False, capture_output=True, text=True)
            if done.returncode:
                raise MeasurementError(f"no disk of its own, which takes root: {done.stderr}")
        (self._folder / "filler").unlink(missing_ok=True)

    def _fill(self) -> None:
        filler = os.open(self._folder / "filler", os.O_WRONLY | os.O_CREAT)
        try:
            for size in (1_000_000, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        os.write(filler, bytes(size))
        finally:
            os.close(filler)

    def _close(self) -> None:
        try:
            self._read()
        finally:
            subprocess.run(["umount", "--lazy", self._folder], check=False)

    def _read(self) -> None:
        for file in sorted((self._folder / "results").glob("jsonl*.jsonl")):
            for line in file.read_text().splitlines():
                self.receipt.take(json.loads(line))


class BrokerReceiver:
    """A mosquitto, and a subscriber to all of its messages that connects again at once."""

    def __init__(self, folder: Path) -> None:
        path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
        program = shutil.which("mosquitto", path=path)
        if program is None:
            raise MeasurementError("mosquitto is missing: install Debian's `mosquitto`")
        self._program = program
        self.receipt = Receipt()
        self._port = free_port()
        self.settings = {
            "name": "mqtt", "kind": "mqtt", "host": "127.0.0.1", "port": self._port,
        }  # fmt: skip
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text(
            f"listener {self._port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\n"
        )
        self._process: Process | None = None
        self._subscribed = asyncio.Event()
        self._subscriber: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            self._program, "-c", self._configuration, stdout=DEVNULL, stderr=DEVNULL,
            preexec_fn=terminate_with_parent,
        )  # fmt: skip
        if self._subscriber is None:
            self._subscriber = asyncio.create_task(self._subscribe())
        async with asyncio.timeout(_START_S):
            await self._subscribed.wait()

    async def kill(self) -> None:
        if self._process is not None:
            self._subscribed.clear()
            self._process.kill()
            await self._process.wait()

    async def close(self) -> None:
        await self.kill()
        if self._subscriber is not None:
            self._subscriber.cancel()
            await asyncio.wait([self._subscriber])

    async def _subscribe(self) -> None:
        from aiomqtt import Client, MqttError, ProtocolVersion  # noqa: PLC0415

        logging.getLogger("mqtt").setLevel(logging.CRITICAL)  # the broker's end is no news
        while True:
            try:
                async with Client("127.0.0.1", self._port, protocol=ProtocolVersion.V5) as client:
                    await client.subscribe([("+/+/results", 1), ("+/gap", 1)])
                    self._subscribed.set()
                    async for message in client.messages:
                        assert isinstance(message.payload, bytes)
                        self.receipt.take(json.loads(message.payload))
            except MqttError:
                await asyncio.sleep(0.02)  # before the sink, which waits longer
