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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from playwright.async_api import Error as BrowserError
from playwright.async_api import Page

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
START_S = 60.0
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
        "--out", type=Path, default=Path("docs/images"), metavar="DIR", help="default docs/images"
    )
    parser.add_argument("--scheme", choices=("dark", "light"), default="dark", help="default dark")
    parser.add_argument("--keep", action="store_true", help="keep serving until Ctrl-C")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 if a step failed."""
    try:
        EncodedClip(None, 15, progress=_report).prepare()  # once, before eight publishers need it
        with _server() as port, _cameras(port):
            asyncio.run(_show(options, f"http://localhost:{port}/admin"))
    except (FleetError, BrowserMissingError, BrowserError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


async def _show(options: argparse.Namespace, url: str) -> None:
    _report(f"{len(FLEET)} cameras; {url}")
    for name, screen in SCREENS.items():
        async with chromium(color_scheme=options.scheme, **screen) as browser:
            page = browser.pages[0]
            await page.goto(url)
            await _until_live(page, options.seconds)
            (options.out / name).write_bytes(compressed_png(await page.screenshot()))
            _report(f"picture: {options.out / name}")
    if options.keep:
        await asyncio.Event().wait()


async def _until_live(page: Page, seconds: float) -> None:
    """Wait until every camera has been live for `seconds`, and the page has settled."""
    live = (
        "() => { const sessions = window.__admin?.state?.sessions ?? [];"
        f" const live = sessions.filter((each) => each.state === 'live' && each.age_s > {seconds});"
        f" return live.length === {len(FLEET)} && performance.now() > {1000.0 * SETTLED_S}; }}"
    )
    try:
        await page.wait_for_function(live, timeout=1000.0 * (START_S + seconds))
    except BrowserError as error:
        raise FleetError(f"not all {len(FLEET)} cameras became live: {error}") from error


@contextlib.contextmanager
def _server() -> Iterator[int]:
    """`edge serve` as a child process; its port."""
    command = [sys.executable, "-m", "edge", "serve", "--http", "--host", "0.0.0.0", "--port", "0"]
    command += ["--device", f"sim:{GPU}", f"sim:{GPU}"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    with tempfile.TemporaryFile("w+", prefix="edge-fleet-") as log:  # for the error message
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**kept, "EDGE_ADMIN_LOOPBACK": "true"},
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline().strip()
            if not line.startswith("Serving at "):
                log.seek(0)
                raise FleetError(f"the server did not start: {log.read()[-500:]}")
            yield int(line.rsplit(":", 1)[1].strip("/"))
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def _cameras(port: int) -> Iterator[None]:
    """All publishers, each behind its link; ended afterwards."""
    with contextlib.ExitStack() as stack:
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
            publisher = link.popen(
                [*command, "--slo-ms", str(camera.slo_ms)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(publisher.wait)
            stack.callback(publisher.terminate)
        yield


def compressed_png(png: bytes) -> bytes:
    """The same image, compressed without a filter: best for large areas of one colour."""
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None  # a browser's own PNG
    options = [cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
    return bytes(cv2.imencode(".png", image, options)[1])


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
