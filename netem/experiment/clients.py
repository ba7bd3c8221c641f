"""A run's clients: each publishes in its link's namespace until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.async_api import Page

from edge.base.clock import now_ms
from netem.experiment.server_main import label_of
from netem.footage.camera_file import CameraFile, Footage
from netem.links.emulated_link import EmulatedLink
from netem.links.namespaced_browser import chromium_behind
from netem.results.client_record import ClientRecord, by_page, by_publisher

ROOT = Path(__file__).parents[2]
OBSERVER = Path(__file__).with_name("observer.js")
FINISH_S = 15.0  # beyond the objective, for the last frames to end
_CLOCK_READS = 15


class ClientError(Exception):
    """A client that failed to start or to end; the message names it and the failure."""


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """A client's number, link, video and objective."""

    number: int
    link: EmulatedLink
    footage: Footage
    slo_ms: float
    folder: Path
    """For the client's files."""

    @property
    def label(self) -> str:
        return label_of(self.number)

    def url(self, port: int) -> str:
        """The server's base URL, as seen from the client's namespace."""
        return f"http://{self.link.outside_address}:{port}"


class ExperimentClient(ABC):
    """`start`, then `stop`, which returns its record; `close` ends it in any state."""

    def __init__(self, request: ClientRequest) -> None:
        self.request = request
        self.session = ""
        """Its session on the server, once it is live."""

    @abstractmethod
    async def start(self, port: int) -> None:
        """Begin to publish; the server reports the first answer (`ServerProcess.live`)."""

    @abstractmethod
    async def stop(self) -> ClientRecord:
        """Stop publishing, and wait until every frame has an outcome."""

    @abstractmethod
    async def close(self) -> None:
        """End the client, in any state."""


class ChromiumClient(ExperimentClient):
    """Headless Chromium on the real page, with a file for its camera."""

    def __init__(self, request: ClientRequest, camera: CameraFile) -> None:
        super().__init__(request)
        self._camera = camera
        self._stack = contextlib.AsyncExitStack()
        self._page: Page | None = None

    async def start(self, port: int) -> None:
        request, url = self.request, self.request.url(port)
        query = {
            "autostart": 1,
            "source": "camera",
            "journal": 1,
            "slo": f"{request.slo_ms:g}",
            "fps": request.footage.fps,
            "label": request.label,
        }
        browser = await self._stack.enter_async_context(
            chromium_behind(
                request.link,
                self._camera.path,
                url,
                request.folder,
                viewport={"width": 640, "height": 480},
            )
        )
        self._page = browser.pages[0]
        await self._page.add_init_script(path=OBSERVER)
        await self._page.goto(f"{url}/?{urlencode(query)}")

    async def stop(self) -> ClientRecord:
        page, request = self._page, self.request
        assert page is not None, "not started"
        shift_ms = await _shift_ms(page)
        try:
            async with asyncio.timeout(FINISH_S + request.slo_ms / 1000.0):
                snapshot = await page.evaluate("window.__edge.finish()")
        except TimeoutError:
            raise ClientError(f"{request.label}: the page did not finish") from None
        journal = await page.evaluate("window.__edge.journal()")
        observer = await page.evaluate("window.__observer")
        if observer["failed"]:
            raise ClientError(
                f"{request.label}: its camera cannot be observed: {observer['failed']}"
            )
        counts = snapshot["counts"]
        if counts["captured"] != len(journal["lines"]):
            raise ClientError(
                f"{request.label}: the page counts {counts['captured']} frames, its journal has"
                f" {len(journal['lines'])}"
            )
        record = by_page(
            request.number,
            journal,
            [tuple(picture) for picture in observer["pictures"]],
            self._camera,
            session=self.session,
            shift_ms=shift_ms,
        )
        if snapshot["reconnects"]:
            record.notes.append(f"{request.label}: reconnected {snapshot['reconnects']} times")
        return record

    async def page_text(self) -> str:
        """The text that the page shows, to find out why no answer comes."""
        return await self._page.inner_text("body") if self._page else "nothing yet"

    async def close(self) -> None:
        await self._stack.aclose()


async def _shift_ms(page: Page) -> float:
    """The monotonic clock minus the page's, from the fastest of several readings."""
    best = (float("inf"), 0.0)
    for _ in range(_CLOCK_READS):
        before_ms = now_ms()
        page_ms = await page.evaluate("performance.timeOrigin + performance.now()")
        after_ms = now_ms()
        best = min(best, (after_ms - before_ms, (before_ms + after_ms) / 2.0 - page_ms))
    return best[1]


class LightClient(ExperimentClient):
    """The light publisher, in its own process."""

    def __init__(self, request: ClientRequest) -> None:
        super().__init__(request)
        self._process: subprocess.Popen[Any] | None = None
        self._json = request.folder / f"light-{request.number}.json"
        self._log = request.folder / f"light-{request.number}.log"

    async def start(self, port: int) -> None:
        request = self.request
        command = [
            *(sys.executable, "-m", "netem", "publish", request.url(port)),
            *("--fps", str(request.footage.fps), "--slo-ms", f"{request.slo_ms:g}"),
            *("--video", str(request.footage.video), "--label", request.label),
            *("--json", str(self._json)),
        ]
        with self._log.open("w") as log:
            self._process = request.link.popen(command, cwd=ROOT, stdout=log, stderr=log)

    async def stop(self) -> ClientRecord:
        assert self._process is not None, "not started"
        self._process.terminate()
        status = await asyncio.to_thread(self._process.wait)
        if not self._json.is_file():
            log_tail = self._log.read_text()[-500:]
            raise ClientError(
                f"{self.request.label}: publishing ended with status {status}: {log_tail}"
            )
        [record] = json.loads(self._json.read_text())
        return by_publisher(self.request.number, record)

    async def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
