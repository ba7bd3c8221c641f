"""The main job on a sample: a real server, a real browser, a street video, and how it went."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.async_api import Error as BrowserError
from playwright.async_api import Page
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from edge.assets import samples
from edge.assets.browser import chromium

LEGS = ("encode", "network", "decode", "queue", "inference", "send", "back")
LEG_WORDS = {
    "encode": "captured -> left the encoder",
    "network": "-> last packet received",
    "decode": "-> decoded",
    "queue": "-> dispatched to a worker",
    "inference": "-> boxes known",
    "send": "-> result sent",
    "back": "-> handled in the page",
}
START_TIMEOUT_S = 120.0
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
        print(f"error: {error}", file=sys.stderr)
        return 1
    show(summary, Console())
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(summary, indent=2) + "\n")
        print(f"summary: {options.json}")
    problem = check(summary)
    if problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


def check(summary: Mapping[str, Any]) -> str | None:
    """What is wrong with a summary, if anything."""
    ended = summary["in_time"] + summary["late"] + sum(summary["dropped"].values())
    if ended != summary["captured"]:
        return f"{summary['captured']} frames captured, but {ended} accounted for"
    if not summary["in_time"]:
        return "no frame was answered in time"
    return None


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
        await _take_picture(page, options.screenshot or Path("out/demo.png"))
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
    """`edge serve` as a process of its own; its URL once it takes sessions."""
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
            raise DemoError("the server did not start; its own words are above")
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
    """Until the page has drawn its first answer."""
    drawn = "new Promise((done) => addEventListener('edge:drawn', () => done(), { once: true }))"
    try:
        async with asyncio.timeout(LIVE_TIMEOUT_S):
            await page.evaluate(drawn)
    except TimeoutError:
        status = await page.evaluate("document.body.innerText.trim().slice(0, 200)")
        words = " ".join(status.split())
        raise DemoError(
            f"no answer reached the page within {LIVE_TIMEOUT_S:.0f} s; it says: {words}"
        ) from None


async def _take_picture(page: Page, path: Path) -> None:
    """A screenshot, at a moment with several boxes if one comes within a run of the clip."""
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
    """Live progress until the time is up."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    loop = asyncio.get_running_loop()
    begin = loop.time()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("streaming", total=seconds)
        while (elapsed := loop.time() - begin) < seconds:
            seen = await page.evaluate("window.__edge.snapshot()")
            counts, latency = seen["counts"], seen["latency_ms"]
            progress.update(
                task,
                completed=elapsed,
                description=f"{counts['captured']} frames, {counts['in_time']} in time, "
                f"p50 {latency['p50'] or 0:.0f} ms, p99 {latency['p99'] or 0:.0f} ms",
            )
            await asyncio.sleep(min(1.0, seconds - elapsed))
        progress.update(task, completed=seconds)


def summarise(snapshot: Mapping[str, Any], *, slo_ms: float, fps: float) -> dict[str, Any]:
    """The demo's JSON from what the page counted."""
    counts = snapshot["counts"]
    return {
        "captured": counts["captured"],
        "in_time": counts["in_time"],
        "late": counts["late"],
        "infeasible": counts.get("infeasible", 0),
        "dropped": counts["dropped"],
        "latency_ms": snapshot["latency_ms"],
        "legs_ms": snapshot["legs_ms"],
        "classes": dict(sorted(snapshot["classes"].items(), key=lambda item: -item[1])),
        "sent_sizes": snapshot["sent_sizes"],
        "variants": snapshot["variants"],
        "slo_ms": slo_ms,
        "fps": fps,
    }


def show(summary: Mapping[str, Any], console: Console) -> None:
    """The summary as tables."""
    captured = summary["captured"] or 1

    def share(count: int) -> str:
        return f"{100 * count / captured:.1f} %"

    frames = Table("frames", "count", "share", title="What became of each frame captured")
    for column in frames.columns[1:]:
        column.justify = "right"
    frames.add_row("captured", str(summary["captured"]), "")
    in_time = f"answered within {summary['slo_ms']:.0f} ms"
    frames.add_row(in_time, str(summary["in_time"]), share(summary["in_time"]))
    frames.add_row("answered late", str(summary["late"]), share(summary["late"]))
    for reason, count in sorted(summary["dropped"].items()):
        frames.add_row(f"dropped: {reason}", str(count), share(count))
    frames.add_row("(infeasible among these)", str(summary["infeasible"]), "")

    legs = Table("leg", "", "p50 ms", "p90 ms", "p99 ms", title="Where the time went")
    for column in legs.columns[2:]:
        column.justify = "right"
    for name in LEGS:
        if name in summary["legs_ms"]:
            legs.add_row(name, LEG_WORDS[name], *_quantiles(summary["legs_ms"][name]))
    legs.add_section()
    legs.add_row("whole", "captured -> result handled", *_quantiles(summary["latency_ms"]))

    seen = Table("class", "boxes", title="Objects seen")
    seen.columns[1].justify = "right"
    for name, count in summary["classes"].items():
        seen.add_row(name, str(count))
    for table in (frames, legs, seen):
        console.print(table)
    for title, key in (("sizes sent", "sent_sizes"), ("variants used", "variants")):
        items = ", ".join(f"{name} x{count}" for name, count in summary[key].items())
        console.print(f"{title}: {items}")


def _quantiles(values: Mapping[str, float | None]) -> list[str]:
    return ["" if values.get(q) is None else f"{values[q]:.1f}" for q in ("p50", "p90", "p99")]
