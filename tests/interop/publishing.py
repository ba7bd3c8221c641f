"""`edge publish` as a process of its own, and the RTSP camera beside it."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import cv2
from aiohttp import web

from tests.free_port import free_port
from tests.serving import noise

SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's bindings of GStreamer are its own
CAMERA = Path(__file__).with_name("rtsp_camera.py")
NEEDED = ("x264enc", "rtph264pay", "x265enc", "rtph265pay", "jpegenc", "rtpjpegpay", "videotestsrc")
WAIT_S = 90.0  # for one event; long, as the machine may be busy

Line = dict[str, Any]


def camera_missing() -> str:
    """Why there can be no RTSP camera here; empty if there can."""
    script = (
        "import gi; gi.require_version('GstRtspServer', '1.0');"
        "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
        f"print([n for n in {NEEDED!r} if Gst.ElementFactory.find(n) is None])"
    )
    try:
        asked = subprocess.run(
            [SYSTEM_PYTHON, "-c", script], capture_output=True, text=True, check=False, timeout=60
        )
    except OSError as error:
        return f"{SYSTEM_PYTHON}: {error.strerror}"
    if asked.returncode:
        return "gir1.2-gst-rtsp-server-1.0 is not installed"
    missing = asked.stdout.strip()
    return "" if missing == "[]" else f"GStreamer has no {missing}"


class Camera:
    """An RTSP server that can be killed and started again at its port."""

    def __init__(self, *arguments: str, user: str = "") -> None:
        self.port = free_port()
        self._arguments = arguments
        self._user = user
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        user = f"{self._user}@" if self._user else ""
        return f"rtsp://{user}127.0.0.1:{self.port}/camera"

    async def start(self) -> None:
        """Serve; returns once it listens."""
        self._process = await asyncio.create_subprocess_exec(
            SYSTEM_PYTHON,
            str(CAMERA),
            str(self.port),
            *self._arguments,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            assert await self._process.stdout.readline() == b"listening\n"

    async def kill(self) -> None:
        """End without a word to anybody."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None


@asynccontextmanager
async def camera(*arguments: str, user: str = "") -> AsyncIterator[Camera]:
    """A camera that serves; killed afterwards."""
    made = Camera(*arguments, user=user)
    try:
        await made.start()
        yield made
    finally:
        await made.kill()


class Publishing:
    """A running `edge publish --json`: its lines, as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.lines: list[Line] = []
        self.errors: list[str] = []
        self._process = process
        self._arrived = asyncio.Condition()
        self._tasks = [
            asyncio.create_task(self._read_lines()),
            asyncio.create_task(self._read_errors()),
        ]

    def of_type(self, kind: str) -> list[Line]:
        return [line for line in self.lines if line["type"] == kind]

    async def wait_for(self, condition: Callable[[], object]) -> None:
        """Until the condition holds; it is checked after every line."""
        try:
            async with asyncio.timeout(WAIT_S), self._arrived:
                await self._arrived.wait_for(condition)
        except TimeoutError:
            raise AssertionError(f"not so far: {self.errors[-20:]}") from None

    async def wait_for_answers(self, more: int = 10) -> None:
        """Until so many more frames have been answered in time than by now."""
        enough = self.in_time + more
        await self.wait_for(lambda: self.in_time >= enough)

    @property
    def in_time(self) -> int:
        return sum(line.get("outcome") == "in_time" for line in self.of_type("detections"))

    async def interrupt(self) -> int:
        """Ctrl-C; the exit status."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        return await self.ended()

    async def ended(self) -> int:
        """Until it has ended; the exit status."""
        async with asyncio.timeout(WAIT_S):
            await asyncio.gather(*self._tasks)
            return await self._process.wait()

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        await self.ended()

    async def _read_lines(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(json.loads(line))
            async with self._arrived:
                self._arrived.notify_all()

    async def _read_errors(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.errors.append(line.decode().rstrip())
            async with self._arrived:
                self._arrived.notify_all()


@asynccontextmanager
async def edge_publish(*arguments: str) -> AsyncIterator[Publishing]:
    """`edge publish ARGUMENTS --json`; killed afterwards if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "edge", "publish", *arguments, "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 22,
    )
    publishing = Publishing(process)
    try:
        yield publishing
    finally:
        await publishing.kill()


@asynccontextmanager
async def edge_serve(device: str, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """`edge serve` over plain HTTP, listening; ended afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "edge", "serve", "--http", "--host", "127.0.0.1", "--port", str(port)),
        *("--device", device),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            await process.stdout.readline()
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@asynccontextmanager
async def mjpeg_camera(fps: int) -> AsyncIterator[str]:
    """A camera that serves Motion JPEG over HTTP, as many small ones do; its URL."""
    pictures = jpegs()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "multipart/x-mixed-replace"
        response.headers["Content-Type"] = "multipart/x-mixed-replace; boundary=frame"
        await response.prepare(request)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        with suppress(ConnectionError):
            for number in itertools.count():
                await asyncio.sleep(begin + number / fps - loop.time())
                picture = pictures[number % len(pictures)]
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n"
                await response.write(head.encode() + b"\r\n" + picture + b"\r\n")
        return response

    app = web.Application()
    app.router.add_get("/camera", stream)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{port}/camera"
    finally:
        await runner.cleanup()


def jpegs() -> list[bytes]:
    """A few pictures, compressed."""
    images = [picture.to_ndarray(format="bgr24") for picture in noise(320, 180)]
    return [cv2.imencode(".jpg", image)[1].tobytes() for image in images]
