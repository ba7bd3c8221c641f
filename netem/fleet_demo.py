"""`python -m netem fleet`: eight cameras on different links, and screenshots of the admin page.

A real server with simulated GPUs, light publishers of real video, each in its own namespace behind
its own link, and a real browser on the admin page.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from playwright.async_api import Error as BrowserError
from playwright.async_api import Page
from playwright.async_api import TimeoutError as PageTimeoutError

from edge.assets.browser import BrowserMissingError, chromium
from netem.footage.encoded_clip import EncodedClip
from netem.links.emulated_link import EmulatedLink
from netem.links.namespace import LinkError
from netem.units import rate_bps
from traces import constant

ABOUT = """Serves eight light publishers, each behind a link of its own, on simulated GPUs, and
saves screenshots of the admin page: admin.png as on a desktop, admin-phone.png as on a phone. Needs
root for the links, and Chromium."""
GPU = Path(__file__).parent.parent / "profiles" / "sim-rtx2080ti.json"
START_S = 180.0  # until the last camera is live: a busy machine refuses some at first
OUT = Path("out/fleet")
SETTLED_S = 15.0  # after the browser's start, which costs a core for some seconds


@dataclass(frozen=True)
class FleetCamera:
    """A publisher, its uplink and its objective."""

    label: str
    rate: str
    delay_ms: float
    loss: float
    slo_ms: int


FLEET = (
    FleetCamera("gate-north", "12mbit", 5.0, 0.0, 100),
    FleetCamera("gate-south", "8mbit", 8.0, 0.0, 100),
    FleetCamera("dock-1", "6mbit", 10.0, 0.0, 100),
    # The one that an operator should notice at once.
    FleetCamera("dock-2", "900kbit", 38.0, 0.04, 100),
    FleetCamera("yard-east", "4mbit", 12.0, 0.0, 150),
    FleetCamera("yard-west", "3mbit", 15.0, 0.001, 150),
    FleetCamera("crane-7", "20mbit", 4.0, 0.0, 100),
    FleetCamera("truck-31", "2mbit", 40.0, 0.005, 250),
)
SCREENS: dict[str, dict[str, Any]] = {
    "admin.png": {"viewport": {"width": 1280, "height": 1224}},
    "admin-phone.png": {
        "viewport": {"width": 390, "height": 844},
        "is_mobile": True,
        "has_touch": True,
        "device_scale_factor": 2,
    },
}


class FleetError(Exception):
    """The demonstration failed; the message names the step."""


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--seconds",
        type=float,
        default=75.0,
        metavar="S",
        help="of streaming before the screenshots (default 75)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        metavar="DIR",
        help=f"for the screenshots, which are overwritten (default {OUT})",
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=START_S,
        metavar="S",
        help=f"for all cameras to become live (default {START_S:g})",
    )
    parser.add_argument("--scheme", choices=("dark", "light"), default="dark", help="default dark")
    parser.add_argument("--keep", action="store_true", help="keep serving until Ctrl-C")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 if a step failed."""
    try:
        EncodedClip(None, 15, progress=_report).prepare()  # once, before eight publishers need it
        with edge_server("--device", f"sim:{GPU}", f"sim:{GPU}") as port, _cameras(port) as cameras:
            asyncio.run(_show(options, f"http://localhost:{port}/admin", cameras))
    except (FleetError, BrowserMissingError, BrowserError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


async def _show(options: argparse.Namespace, url: str, cameras: Sequence[RunningCamera]) -> None:
    _report(f"{len(FLEET)} cameras; {url}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name, screen in SCREENS.items():
        async with chromium(color_scheme=options.scheme, **screen) as browser:
            page = browser.pages[0]
            await page.goto(url)
            await _until_live(page, cameras, options.seconds, options.wait)
            (options.out / name).write_bytes(compressed_png(await page.screenshot()))
            _report(f"picture: {options.out / name}")
    if options.keep:
        await asyncio.Event().wait()


async def _until_live(
    page: Page, cameras: Sequence[RunningCamera], seconds: float, wait_s: float
) -> None:
    """Wait until every camera has been live for `seconds`, and the page has settled.

    FleetError, naming each camera that is missing and why, after `wait_s` more.
    """
    live = (
        "() => { const sessions = window.__admin?.state?.sessions ?? [];"
        f" const live = sessions.filter((each) => each.state === 'live' && each.age_s > {seconds});"
        f" return live.length === {len(FLEET)} && performance.now() > {1000.0 * SETTLED_S}; }}"
    )
    try:
        await page.wait_for_function(live, timeout=1000.0 * (wait_s + seconds))
    except PageTimeoutError:
        sessions = await page.evaluate("window.__admin?.state?.sessions ?? []")
        reasons = missing(cameras, sessions, seconds)
        raise FleetError(
            f"{len(reasons)} of {len(FLEET)} cameras were not live for {seconds:g} s within"
            f" {wait_s + seconds:g} s:" + "".join(f"\n  {each}" for each in reasons)
        ) from None


@dataclass(frozen=True)
class RunningCamera:
    """A publisher's process, and what it writes to standard error."""

    camera: FleetCamera
    process: subprocess.Popen[str]
    log: Path

    def last_word(self) -> str:
        """Its latest line about itself, without progress; empty if there is none."""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines()]
        own = [line for line in lines if line.startswith((f"{self.camera.label}: ", "error: "))]
        return own[-1].removeprefix(f"{self.camera.label}: ") if own else ""


def missing(
    cameras: Sequence[RunningCamera], sessions: Sequence[Mapping[str, Any]], seconds: float
) -> list[str]:
    """For each camera that has not been live for `seconds`, its name and why."""
    by_label = {session["label"]: session for session in sessions}
    reasons = []
    for each in cameras:
        label, session = each.camera.label, by_label.get(each.camera.label)
        if session is not None and session["state"] == "live" and session["age_s"] > seconds:
            continue
        why = each.last_word()
        if (status := each.process.poll()) is not None:
            why = f"its publisher ended with status {status}{f': {why}' if why else ''}"
        elif session is not None:
            since = f"{session['state']}, {session['age_s']:.0f} s after its offer"
            why = f"{since}{f'; before that: {why}' if why else ''}"
        reasons.append(f"{label}: {why or 'no session, and its publisher reports nothing'}")
    return reasons


@contextlib.contextmanager
def edge_server(*arguments: str, **settings: str) -> Iterator[int]:
    """`edge serve` as a child process with these arguments, and settings by their names in the
    environment; its port."""
    with edge_program("serve", "--host", "0.0.0.0", *arguments, **settings) as (_, port):
        yield port


@contextlib.contextmanager
def edge_program(*arguments: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`edge serve` or `edge direct` as a child process, over plain HTTP, and its port."""
    command = [sys.executable, "-m", "edge", *arguments, "--http", "--port", "0"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    with tempfile.TemporaryFile("w+", prefix="edge-fleet-") as log:  # for the error message
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**kept, "EDGE_ADMIN_LOOPBACK": "true", **settings},
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline().strip()
            if not line.startswith(("Serving at ", "Directing at ")):
                log.seek(0)
                reason = log.read()[-500:]
                raise FleetError(f"`edge {arguments[0]}` did not start: {reason}")
            yield process, int(line.rsplit(":", 1)[1].strip("/"))
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def _cameras(port: int) -> Iterator[list[RunningCamera]]:
    """All publishers, each behind its link; ended afterwards. One that is refused comes again."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-fleet-")))
        cameras = []
        for number, camera in enumerate(FLEET):
            link = EmulatedLink(
                constant(rate_bps(camera.rate)),
                delay_ms=camera.delay_ms,
                loss=camera.loss,
                seed=number,
            )
            try:
                stack.enter_context(link)
            except LinkError as error:
                raise FleetError(f"{camera.label}'s link: {error}") from error
            url = f"http://{link.outside_address}:{port}"
            command = [sys.executable, "-m", "netem", "publish", url, "--label", camera.label]
            command += ["--slo-ms", str(camera.slo_ms), "--retry"]
            log = folder / camera.label
            with log.open("w") as file:
                publisher = link.popen(command, stdout=subprocess.DEVNULL, stderr=file)
            stack.callback(publisher.wait)
            stack.callback(publisher.terminate)
            cameras.append(RunningCamera(camera, publisher, log))
        yield cameras


def compressed_png(png: bytes) -> bytes:
    """The same image, compressed without a filter: best for large areas of one colour."""
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None  # a browser's own PNG
    options = [cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
    return bytes(cv2.imencode(".png", image, options)[1])


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
