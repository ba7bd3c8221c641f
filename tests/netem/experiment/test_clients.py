"""The source frame that is written down for a frame is the one whose picture the server got."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge.assets.browser import BrowserMissingError, chromium_path
from edge.batching.batcher import FrameRequest
from netem.experiment.clients import ChromiumClient, ClientRequest
from netem.footage.camera_file import Footage, camera, sample_video
from netem.links.emulated_link import EmulatedLink
from tests.serving import serving
from traces import constant

pytestmark = [
    pytest.mark.browser,
    pytest.mark.kernel,
    pytest.mark.usefixtures("no_trace_left"),
]

FRAMES = 45
WAIT_S = 90.0  # far more than they take; then the page is asked what is wrong
SMALL = (320, 136)
Luma = npt.NDArray[np.uint8]


def small(luma: Luma) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.resize(luma, SMALL, interpolation=cv2.INTER_AREA), np.float32)


@asynccontextmanager
async def made(link: EmulatedLink) -> AsyncIterator[None]:
    """By another thread: netlink's library runs an event loop of its own."""
    await asyncio.to_thread(link.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(link.close)


async def test_a_frames_source_is_the_picture_that_arrived() -> None:
    try:
        chromium_path()
    except BrowserMissingError as error:
        pytest.skip(str(error))
    footage = Footage(sample_video("street"), 15)
    sources = {source: small(picture.y) for source, picture in footage.pictures()}
    came: dict[int, npt.NDArray[np.float32]] = {}
    enough = asyncio.Event()
    link = EmulatedLink(constant(12e6))
    with tempfile.TemporaryDirectory(prefix="el", dir="/tmp") as folder:
        film = camera(footage, 20, Path(folder))
        async with made(link), serving(host="0.0.0.0", slo_ms=1000) as server:
            assert server.devices.dispatcher is not None
            offer = server.devices.dispatcher.offer

            def seen(request: FrameRequest) -> None:
                came[request.rtp] = small(request.payload.picture.y)  # type: ignore[attr-defined]
                if len(came) > FRAMES:
                    enough.set()
                offer(request)

            server.devices.dispatcher.offer = seen  # type: ignore[method-assign]
            client = ChromiumClient(ClientRequest(0, link, footage, 1000.0, Path(folder)), film)
            try:
                await client.start(int(server.url.rstrip("/").rpartition(":")[2]))
                try:
                    async with asyncio.timeout(WAIT_S):
                        await enough.wait()
                except TimeoutError:
                    pytest.fail(f"{len(came)} frames came; the page: {await client.page_text()}")
                record = await client.stop()
            finally:
                await client.close()
    found = {row.rtp: row.source for row, _ in record.frames if row.rtp in came}
    assert len(found) > FRAMES
    nearest = {
        rtp: min(sources, key=lambda source: float(np.abs(sources[source] - came[rtp]).mean()))
        for rtp in found
    }
    assert found == nearest
