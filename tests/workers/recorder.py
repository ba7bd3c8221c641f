"""What a pool told its owner, and waiting for it to tell more."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge.ipc.picture import Picture
from edge.workers import Failure, Options, Result, State

VARIANT = "yolov4-tiny-416"


class Recorder:
    """Callbacks for a WorkerPool; every await here ends as soon as what it waits for is there."""

    def __init__(self) -> None:
        self.outcomes: dict[int, Result | Failure] = {}
        self.times_told: Counter[int] = Counter()
        self.states: list[State] = []
        self.events: list[str] = []
        self.progress: list[tuple[int, int, str]] = []
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def on_done(self, device: int, batch_id: int, outcome: Result | Failure) -> None:
        self.outcomes[batch_id] = outcome
        self.times_told[batch_id] += 1
        self.events.append(f"{batch_id} {type(outcome).__name__}")
        self._tell()

    def on_state(self, device: int, state: State) -> None:
        self.states.append(state)
        self.events.append(state)
        self._tell()

    def on_progress(self, device: int, done: int, total: int, text: str) -> None:
        self.progress.append((done, total, text))

    async def result(self, batch_id: int) -> Result:
        outcome = await self.outcome(batch_id)
        assert isinstance(outcome, Result), outcome
        return outcome

    async def failure(self, batch_id: int) -> Failure:
        outcome = await self.outcome(batch_id)
        assert isinstance(outcome, Failure), outcome
        return outcome

    async def outcome(self, batch_id: int) -> Result | Failure:
        await self.until(lambda: batch_id in self.outcomes)
        return self.outcomes[batch_id]

    async def state(self, state: State, times: int) -> None:
        """Wait until `state` was told for the `times`th time."""
        await self.until(lambda: self.states.count(state) >= times)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with self._news:
            await self._news.wait_for(condition)

    def _tell(self) -> None:
        task = asyncio.ensure_future(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()


def noise(width: int, height: int, seed: int = 0, first: int = 0) -> Picture:
    """A picture of noise in every plane, whose first luma sample is `first`."""
    random = np.random.default_rng(seed)
    columns, rows = (width + 1) // 2, (height + 1) // 2
    luma = random.integers(0, 255, (height, width), np.uint8)
    luma[0, 0] = first
    return Picture(
        width,
        height,
        luma,
        random.integers(0, 256, (rows, columns), np.uint8),
        random.integers(0, 256, (rows, columns), np.uint8),
        full_range=bool(seed % 2),
    )


def flawed(flaw: str) -> Options:
    """Options for workers of `misbehaving.py`, restarted without much ado."""
    script = Path(__file__).with_name("misbehaving.py")
    return Options(command=(sys.executable, "-P", str(script), flaw), restart_first_s=0.01)
