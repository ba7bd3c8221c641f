"""The demo: a server process, a browser that streams a street video, and the page's counts."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.async_api import Error as BrowserError
from playwright.async_api import Page
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from edge.assets import samples
from edge.assets.browser import chromium
from edge.cli import fail
from edge.cli.demo_summary import check, show, summarise

START_TIMEOUT_S = 600.0  # its progress is shown; a busy machine takes minutes
LIVE_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
CROWDED_TIMEOUT_S = 10.0  # the sample clip's length
CAMERA_SECONDS = 30.0  # of a longer video; the camera repeats it
CAMERA_WIDTH = 1280


class DemoError(Exception):
    """The demo could not be run; the message says at which step and why."""


def run(options: argparse.Namespace) -> int:
    """Run the demo and print its table; 0 if frames were answered and every count adds up."""
    try:
        summary = asyncio.run(_demo(options))
    except (DemoError, BrowserError) as error:
        return fail(str(error))
    show(summary, Console())
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(summary, indent=2) + "\n")
        print(f"summary: {options.json}")
    problem = check(summary)
    return 0 if problem is None else fail(problem)


async def _demo(options: argparse.Namespace) -> dict[str, Any]:
    camera = await asyncio.to_thread(_camera, options.video, options.fps)
    query = {
        "autostart": 1,
        "source": "camera",
        "slo": options.slo_ms,
        "fps": options.fps,
        "label": "demo",
    }
    async with (
        _server(options) as url,
        chromium(camera, viewport={"width": 960, "height": 720}) as browser,
    ):
        page = browser.pages[0]
        await page.goto(f"{url}?{urlencode(query)}")
        await _until_live(page)
        await _follow(page, options.seconds)
        await _take_picture(page, options.screenshot)
        snapshot = await page.evaluate("window.__edge.finish()")
    return summarise(snapshot, slo_ms=options.slo_ms, fps=options.fps)


def _camera(video: Path | None, fps: int) -> Path:
    if video is None:
        return samples.y4m(samples.street_video(), fps)
    if not video.is_file():
        raise DemoError(f"--video {video}: no such file")
    try:
        return samples.y4m(video, fps, width=CAMERA_WIDTH, seconds=CAMERA_SECONDS)
    except (OSError, ValueError, IndexError) as error:  # FFmpeg's errors are among these
        raise DemoError(f"--video {video}: not a video that can be read: {error}") from error


@asynccontextmanager
async def _server(options: argparse.Namespace) -> AsyncIterator[str]:
    """`edge serve` as a process of its own; yields its URL once it takes sessions."""
    command = [sys.executable, "-m", "edge", "serve", "--http", "--host", "127.0.0.1"]
    command += ["--port", "0", "--device", options.device, "--slo-ms", str(options.slo_ms)]
    command += ["--fps", str(options.fps)]
    environment = {name: value for name, value in os.environ.items() if name != "EDGE_TOKEN"}
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            line = (await process.stdout.readline()).decode().strip()
        if not line.startswith("Serving at "):
            raise DemoError("the server did not start; its messages are above")
        yield line.removeprefix("Serving at ")
    except TimeoutError:
        raise DemoError(f"the server was not ready within {START_TIMEOUT_S:.0f} s") from None
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _until_live(page: Page) -> None:
    """Wait until the page has drawn its first answer."""
    drawn = "new Promise((done) => addEventListener('edge:drawn', () => done(), { once: true }))"
    try:
        async with asyncio.timeout(LIVE_TIMEOUT_S):
            await page.evaluate(drawn)
    except TimeoutError:
        status = await page.evaluate("document.body.innerText.trim().slice(0, 200)")
        shown = " ".join(status.split())
        raise DemoError(
            f"no answer reached the page within {LIVE_TIMEOUT_S:.0f} s; it shows: {shown}"
        ) from None


async def _take_picture(page: Page, path: Path) -> None:
    """Take a screenshot, with at least three boxes if that occurs within one run of the clip."""
    crowded = """new Promise((done) => addEventListener("edge:drawn", function look({ detail }) {
        if (detail.boxes.length < 3) return;
        removeEventListener("edge:drawn", look);
        done();
    }))"""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CROWDED_TIMEOUT_S):
            await page.evaluate(crowded)
    path.parent.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=path)
    print(f"screenshot: {path}")


async def _follow(page: Page, seconds: float) -> None:
    """Show live progress for that long."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    loop = asyncio.get_running_loop()
    begin = loop.time()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("streaming", total=seconds)
        while (elapsed := loop.time() - begin) < seconds:
            snapshot = await page.evaluate("window.__edge.snapshot()")
            counts, latency = snapshot["counts"], snapshot["latency_ms"]
            progress.update(
                task,
                completed=elapsed,
                description=f"{counts['captured']} frames, {counts['in_time']} in time, "
                f"p50 {latency['p50'] or 0:.0f} ms, p99 {latency['p99'] or 0:.0f} ms",
            )
            await asyncio.sleep(min(1.0, seconds - elapsed))
        progress.update(task, completed=seconds)
