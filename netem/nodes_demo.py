"""`python -m netem nodes`: the picture of a fleet's admin page.

A real director with its engine, real servers with simulated GPUs, light publishers of a real video
over the loopback, and a real browser. One node is killed, and one is drained.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import aiohttp
from playwright.async_api import Error as BrowserError

from edge.assets.browser import BrowserMissingError, chromium
from edge.client.whip_client import PublishError
from netem.fleet_demo import GPU, FleetError, compressed_png, edge_program
from netem.footage.encoded_clip import EncodedClip
from netem.publisher.publisher import publishing

ABOUT = """Serves six light publishers on a fleet of four nodes with simulated GPUs, kills one node,
drains another, and saves a picture of the director's admin page, fleet-admin.png. Needs Chromium
and nats-server."""
OUT = Path("out/nodes")
FPS = 10
SLO_MS = 400.0
NODES = ("gpu-1", "gpu-2", "gpu-3", "gpu-4")
KILLED = "gpu-4"
LABELS = ("gate-north", "gate-south", "dock-1", "dock-2", "yard-east", "crane-7")
SCREEN = {"width": 1180, "height": 908}
_WAIT_S = 90.0


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--seconds",
        type=float,
        default=12.0,
        metavar="S",
        help="of streaming before the picture (default 12)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        metavar="DIR",
        help=f"for the picture, which is overwritten (default {OUT})",
    )
    parser.add_argument("--scheme", choices=("dark", "light"), default="dark", help="default dark")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 if a step failed."""
    try:
        clip = EncodedClip(None, FPS, progress=_report)
        clip.prepare()
        with ExitStack() as stack:
            data = stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-nodes-"))
            engine = f"127.0.0.1:{_free_port()}"
            direct = ("direct", "--host", "127.0.0.1", "--fleet-listen", engine)
            _, port = stack.enter_context(edge_program(*direct, EDGE_DATA=data))
            nodes = {}
            for name in NODES:
                serve = ("serve", "--host", "127.0.0.1", "--device", f"sim:{GPU}")
                settings = {"EDGE_DATA": data, "EDGE_FLEET": _fleet(name, engine)}
                nodes[name], _ = stack.enter_context(edge_program(*serve, **settings))
            asyncio.run(_show(options, f"http://localhost:{port}", nodes[KILLED], clip))
    except (FleetError, BrowserMissingError, BrowserError, PublishError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


async def _show(
    options: argparse.Namespace, url: str, killed: subprocess.Popen[str], clip: EncodedClip
) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        await _until_known(http, url)
        killed.kill()
        browser = await stack.enter_async_context(
            chromium(color_scheme=options.scheme, viewport=SCREEN, reduced_motion="reduce")
        )
        page = browser.pages[0]
        page.set_default_timeout(1000.0 * _WAIT_S)
        await page.goto(f"{url}/admin")
        await page.locator(f"tr[data-node={KILLED}]", has_text="gone for").wait_for()
        for label in LABELS:
            await stack.enter_async_context(publishing(url, clip, slo_ms=SLO_MS, label=label))
        await page.locator("#rows tr").nth(len(LABELS) - 1).wait_for()
        await asyncio.sleep(options.seconds)
        busy = page.locator("#rows tr td[data-name=Node]").first
        drained = page.locator(f"tr[data-node={await busy.inner_text()}]")
        await drained.get_by_role("button", name="Drain").press("Enter")
        await drained.get_by_role("button", name="Refuse newcomers?").press("Enter")
        await drained.get_by_text("takes no newcomers").wait_for()
        await page.evaluate("document.activeElement?.blur()")
        path = options.out / "fleet-admin.png"
        path.write_bytes(compressed_png(await page.screenshot()))
        _report(f"picture: {path}")


async def _until_known(http: aiohttp.ClientSession, url: str) -> None:
    """FleetError if the director does not know all nodes in time."""
    names: set[str] = set()
    try:
        async with asyncio.timeout(_WAIT_S):
            while names != set(NODES):
                async with http.get(f"{url}/api/nodes") as response:
                    names = {each["node"] for each in (await response.json())["nodes"]}
                await asyncio.sleep(0.2)
    except TimeoutError:
        missing = ", ".join(sorted(set(NODES) - names))
        raise FleetError(f"the director does not hear of {missing}") from None


def _fleet(name: str, engine: str) -> str:
    return f'{{"name": "{name}", "servers": "nats://{engine}"}}'


def _free_port() -> int:
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return int(it.getsockname()[1])


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
