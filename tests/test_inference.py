"""The devices of a server: workers and dispatcher together, with a simulated device."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from edge.base.clock import now_ms
from edge.batching.dispatcher import Answer, InferenceJob
from edge.batching.request import FrameRequest
from edge.config import load
from edge.inference import Devices
from edge.ipc.picture import Picture
from edge.models.registry.registry import ModelRegistry
from tests.served_model import model
from tests.serving import noise, simulated

VARIANT = "yolov4-tiny-416"
PICTURE = Picture.from_av(noise(320, 192, count=1)[0])


class WatchedDevices:
    """Devices, and the changes and progress that they reported."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.progress: list[str] = []
        self.devices = Devices(
            load(device=[simulated()]),
            models=ModelRegistry([model(long_sides=[416])]),
            profiles=None,
            on_change=self.changed.set,
            on_progress=self.progress.append,
        )

    async def until_ready_is(self, ready: list[int]) -> None:
        async with asyncio.timeout(60):
            while self.devices.ready != ready:
                await self.changed.wait()
                self.changed.clear()

    def offer(self) -> asyncio.Future[Answer | str]:
        """Offer a frame; its answer, or the reason of its drop."""
        end: asyncio.Future[Answer | str] = asyncio.get_running_loop().create_future()
        job = InferenceJob(PICTURE, answered=end.set_result, dropped=end.set_result)
        now = now_ms()
        request = FrameRequest("s", 1, (320, 192), now, now + 60_000.0, (VARIANT,), job)
        self.devices.offer(request)
        return end


@asynccontextmanager
async def _started() -> AsyncIterator[WatchedDevices]:
    watched = WatchedDevices()
    try:
        await watched.devices.start()
        yield watched
    finally:
        await watched.devices.stop()


def test_before_the_start_no_device_is_ready() -> None:
    devices = WatchedDevices().devices
    assert devices.ready == []
    assert list(devices.usage) == []
    assert devices.waiting == 0
    assert [each.state for each in devices.status] == ["lost"]


async def test_a_frame_is_answered_and_accounted_for() -> None:
    async with _started() as watched:
        assert watched.devices.ready == [0]
        assert len(watched.devices.ready_profiles) == 1
        async with asyncio.timeout(60):
            answer = await watched.offer()
        assert isinstance(answer, Answer)
        assert (answer.variant, answer.device, answer.batch) == (VARIANT, 0, 1)
        [usage] = watched.devices.usage
        assert (usage.batches, usage.frames) == (1, 1)
        assert usage.busy_ms > 0.0
        assert any(line.startswith("sim:") for line in watched.progress) or not watched.progress


async def test_a_lost_device_is_not_ready_until_it_is_back() -> None:
    async with _started() as watched:
        pid = watched.devices.status[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await watched.until_ready_is([])
        assert watched.devices.ready_profiles == []
        await watched.until_ready_is([0])
        async with asyncio.timeout(60):
            assert isinstance(await watched.offer(), Answer)


async def test_draining_refuses_frames() -> None:
    async with _started() as watched:
        await watched.devices.drain(1.0)
        assert await watched.offer() == "no_plan"


async def test_devices_that_have_not_started_can_be_drained_and_stopped() -> None:
    devices = WatchedDevices().devices
    await devices.drain(1.0)
    await devices.stop()


def test_a_profile_that_cannot_be_read_is_refused() -> None:
    with pytest.raises((OSError, ValueError), match=r"missing\.json"):
        Devices(
            load(device=["sim:missing.json"]),
            models=ModelRegistry([model(long_sides=[416])]),
            profiles=None,
            on_change=lambda: None,
            on_progress=print,
        )
