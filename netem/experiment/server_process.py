"""The server of a run, from the runner's side: a child process that reports its state."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import sys
from pathlib import Path

from netem.experiment.server_main import RunSetup, label_of

ROOT = Path(__file__).parents[2]
START_S = 180.0  # a CPU measures itself while it starts
STOP_S = 20.0
_KEPT = ("EDGE_CACHE", "EDGE_DATA", "EDGE_CHROMIUM")  # other EDGE_... variables are settings
_LOG_TAIL = 600


class ServerError(Exception):
    """The server of a run failed; the message has the end of its log."""


class ServerProcess:
    """`spawn`, `ready`, wait for clients with `live`, `stop`."""

    def __init__(self, setup: RunSetup, folder: Path, log: Path) -> None:
        self._setup = setup
        self._folder = folder
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._live: dict[str, str] = {}
        self._reported = asyncio.Condition()
        self._ended = False
        self.port = 0

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    async def spawn(self) -> None:
        """Start its process."""
        path = self._folder / "setup.json"
        path.write_text(json.dumps(dataclasses.asdict(self._setup)))
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("EDGE_") or name in _KEPT
        }
        log = await asyncio.to_thread(self._log.open, "ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "netem.experiment.server_main", str(path)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env=environment,
                start_new_session=True,  # Ctrl-C is the runner's to act on
            )
        self._reading = asyncio.create_task(self._read())

    async def ready(self) -> None:
        """Wait until it accepts sessions. Raises ServerError."""
        await self._until(lambda: self.port != 0, START_S, "was not ready")

    async def live(self, clients: int, seconds: float) -> dict[int, str]:
        """Wait until that many clients have received an answer; their sessions by number."""
        labels = {label_of(number): number for number in range(clients)}
        try:
            await self._until(lambda: set(labels) <= set(self._live), seconds, "")
        except ServerError:
            unanswered = [label for label in labels if label not in self._live]
            raise ServerError(
                f"no answer for {', '.join(unanswered)} within {seconds:g} s; {self._log_end()}"
            ) from None
        return {number: self._live[label] for label, number in labels.items()}

    def check(self) -> None:
        """Raises ServerError if it has ended."""
        if self._ended:
            raise ServerError(f"the server has ended; {self._log_end()}")

    async def stop(self) -> None:
        """End it, and wait until it has."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._reading is not None:
            await self._reading

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            report = json.loads(line)
            async with self._reported:
                if "url" in report:
                    self.port = int(report["url"].rstrip("/").rpartition(":")[2])
                elif "live" in report:
                    self._live[report["live"]] = report["session"]
                self._reported.notify_all()
        async with self._reported:
            self._ended = True
            self._reported.notify_all()

    async def _until(self, condition: object, seconds: float, failure: str) -> None:
        assert callable(condition)
        try:
            async with asyncio.timeout(seconds), self._reported:
                await self._reported.wait_for(lambda: condition() or self._ended)
        except TimeoutError:
            raise ServerError(
                f"the server {failure} within {seconds:g} s; {self._log_end()}"
            ) from None
        if not condition():
            self.check()

    def _log_end(self) -> str:
        text = self._log.read_text(errors="replace")[-_LOG_TAIL:] if self._log.is_file() else ""
        return f"the end of its log: {text.strip() or '(empty)'}"
