"""Models loaded while others serve: in processes of their own, which come and go without harm."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.workers import on_demand as module
from edge.workers.handle import BatchResult, NotReadyError
from edge.workers.on_demand import LoadState
from edge.workers.options import WorkerOptions
from edge.workers.pool import WorkerPool
from tests.serving import simulated
from tests.workers.pools import children, exists, pid_of
from tests.workers.recorder import FAST, VARIANT, Recorder, noise

MINE = "mine-416"


class Watched(Recorder):
    """A pool's callbacks, and the news of its models."""

    def on_models(self) -> None:
        self._wake()


@asynccontextmanager
async def running(watched: Watched, devices: int = 1) -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(
        [simulated(1.0, ("yolov4-tiny", "mine"))] * devices,
        ["yolov4-tiny"],
        on_done=watched.on_done,
        on_state=watched.on_state,
        on_demand=["mine", "unknown"],
        on_models=watched.on_models,
        options=WorkerOptions(supervision=FAST),
    )
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()
        assert children() == []


def state(pool: WorkerPool, wanted: LoadState, network: str = "mine") -> Callable[[], bool]:
    return lambda: pool.on_demand.states[network] == wanted


@pytest.mark.parametrize("devices", [1, 2])
async def test_a_model_comes_and_goes_while_another_serves(devices: int) -> None:
    watched = Watched()
    async with running(watched, devices) as pool:
        assert len(children()) == devices
        assert not pool.is_loaded("mine")
        assert pool.is_loaded("yolov4-tiny")
        pool.on_demand.load("mine")
        assert pool.on_demand.busy
        pool.submit(0, 0, VARIANT, [noise(64, 64)])
        assert isinstance(await watched.outcome(0), BatchResult)
        await watched.until(state(pool, "ready"))
        assert pool.is_loaded("mine")
        assert len(children()) == 2 * devices
        for device in range(devices):
            pool.submit(device, 1 + device, MINE, [noise(64, 64)])
            await watched.result(1 + device)
        assert [each.batches for each in pool.status] == [2, 1][:devices]
        assert pool.on_demand.used_ms("mine") > 0
        pool.on_demand.unload("mine")
        assert not pool.is_loaded("mine")
        await watched.until(state(pool, "unloaded"))
        assert len(children()) == devices
        assert [each.batches for each in pool.status] == [2, 1][:devices]  # no count falls
        assert exists(pid_of(pool))


async def test_a_batch_that_a_model_has_may_finish_as_it_is_unloaded() -> None:
    watched = Watched()
    async with running(watched) as pool:
        pool.on_demand.load("mine")
        await watched.until(state(pool, "ready"))
        pool.submit(0, 0, MINE, [noise(64, 64)])
        pool.on_demand.unload("mine")
        await watched.result(0)
        await watched.until(state(pool, "unloaded"))


async def test_a_batch_for_a_model_that_is_not_loaded_is_refused() -> None:
    watched = Watched()
    async with running(watched) as pool:
        with pytest.raises(NotReadyError, match="mine is not loaded"):
            pool.submit(0, 0, MINE, [noise(64, 64)])


async def test_a_model_that_crashes_costs_nobody_else_anything() -> None:
    watched = Watched()
    async with running(watched) as pool:
        pool.on_demand.load("mine")
        await watched.until(state(pool, "ready"))
        [other] = [each for each in children() if each != pid_of(pool)]
        os.kill(other, signal.SIGKILL)
        await watched.until(lambda: not pool.is_loaded("mine"))
        pool.submit(0, 0, VARIANT, [noise(64, 64)])
        await watched.result(0)
        assert watched.states == ["starting", "ready"]  # of the device itself
        await watched.until(lambda: pool.is_loaded("mine"))  # it is replaced
        pool.submit(0, 1, MINE, [noise(64, 64)])
        await watched.result(1)
        assert pool.status[0].restarts == 1


async def test_a_model_that_can_not_be_loaded_says_why_and_is_tried_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched()
    async with running(watched) as pool:
        pool.on_demand.load("unknown")
        await watched.until(state(pool, "failed", "unknown"))
        assert "does not hold it" in pool.on_demand.reason("unknown")
        assert len(children()) == 1
        assert not pool.on_demand.may_load("unknown")
        pool.on_demand.load("unknown")
        assert pool.on_demand.states["unknown"] == "failed"
        monkeypatch.setattr(module, "FIRST_RETRY_S", 0.0)
        pool.on_demand._models["unknown"].retry_at_s = 0.0
        assert pool.on_demand.may_load("unknown")
        pool.submit(0, 0, VARIANT, [noise(64, 64)])
        await watched.result(0)


async def test_the_server_may_stop_while_a_model_loads() -> None:
    watched = Watched()
    async with running(watched) as pool:
        pool.on_demand.load("mine")
        await watched.until(lambda: len(children()) == 2)
    assert pool.on_demand.states["mine"] == "loading"
    pool.on_demand.load("mine")
    await asyncio.sleep(0)
    assert children() == []


async def test_wrong_files_are_a_models_own_failure(tmp_path: Path) -> None:
    """On a CPU: the worker itself says what is wrong."""
    watched = Watched()
    pool = WorkerPool(
        ["cpu"],
        [],
        on_done=watched.on_done,
        on_state=watched.on_state,
        on_demand=["yolov4"],
        on_models=watched.on_models,
        options=WorkerOptions(supervision=FAST, weights={"yolov4": tmp_path / "none.weights"}),
    )
    await pool.start()
    try:
        pool.on_demand.load("yolov4")
        await watched.until(state(pool, "failed", "yolov4"))
        assert "none.weights" in pool.on_demand.reason("yolov4")
        assert pool.status[0].state == "ready"
    finally:
        await pool.stop()
