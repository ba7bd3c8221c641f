"""Records a pool's callbacks, and waits for them."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge.ipc.picture import Picture
from edge.ipc.supervisor import ProcessState, SupervisionPolicy
from edge.workers.handle import BatchFailure, BatchResult
from edge.workers.options import WorkerOptions

VARIANT = "yolov4-tiny-416"

FAST = SupervisionPolicy(restart_first_s=0.01, stop_grace_s=2.5)


class Recorder:
    """Callbacks for a WorkerPool; every wait ends with the callback that it waits for."""

    def __init__(self) -> None:
        self.outcomes: dict[int, BatchResult | BatchFailure] = {}
        self.done_counts: Counter[int] = Counter()
        self.states: list[ProcessState] = []
        self.events: list[str] = []
        self.progress: list[tuple[int, int, str]] = []
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def on_done(self, device: int, batch_id: int, outcome: BatchResult | BatchFailure) -> None:
        self.outcomes[batch_id] = outcome
        self.done_counts[batch_id] += 1
        self.events.append(f"{batch_id} {type(outcome).__name__}")
        self._wake()

    def on_state(self, device: int, state: ProcessState) -> None:
        self.states.append(state)
        self.events.append(state)
        self._wake()

    def on_progress(self, device: int, done: int, total: int, text: str) -> None:
        self.progress.append((done, total, text))

    async def result(self, batch_id: int) -> BatchResult:
        outcome = await self.outcome(batch_id)
        assert isinstance(outcome, BatchResult), outcome
        return outcome

    async def failure(self, batch_id: int) -> BatchFailure:
        outcome = await self.outcome(batch_id)
        assert isinstance(outcome, BatchFailure), outcome
        return outcome

    async def outcome(self, batch_id: int) -> BatchResult | BatchFailure:
        await self.until(lambda: batch_id in self.outcomes)
        return self.outcomes[batch_id]

    async def state(self, state: ProcessState, times: int) -> None:
        """Wait until `state` was reported for the `times`th time."""
        await self.until(lambda: self.states.count(state) >= times)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(condition)

    def _wake(self) -> None:
        task = asyncio.ensure_future(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


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


def flawed(flaw: str) -> WorkerOptions:
    """WorkerOptions for workers of `misbehaving.py`, restarted quickly."""
    script = Path(__file__).with_name("misbehaving.py")
    return WorkerOptions(command=(sys.executable, "-P", str(script), flaw), supervision=FAST)
