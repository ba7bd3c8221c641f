"""`python -m netem failover`: a node that is lost, again and again, under a real page.

A director and three nodes with simulated detectors, each in a namespace of its own; real Chromium
behind a link of the given round trip; a second publisher on a node that nothing is done to.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from playwright.async_api import Error as BrowserError

from edge.assets.browser import BrowserMissingError
from edge.client.frame_outcomes import IN_TIME
from edge.client.whip_client import PublishError
from netem.failover.machines import Machine, MachineError, Machines, own_network
from netem.failover.watched_page import NotAnsweredError, WatchedPage, legs_of, watched_page
from netem.footage.camera_file import Footage, camera, sample_video
from netem.footage.encoded_clip import EncodedClip
from netem.links.emulated_link import EmulatedLink
from netem.links.namespace import LinkError, missing
from netem.publisher.publisher import LightPublisher, publishing
from netem.units import count
from traces.trace import constant

ABOUT = """Kills, as often as asked, the node that has a page's session, and reports for how long no
boxes came, in legs, and what a publisher on another node missed meanwhile. With --hung the node is
stopped for good; with --pause-ms for so long only; with --steady nothing is done to it, but both
cores are kept busy: then nobody may move. Needs root and Chromium."""
FPS = 15
RATE_BPS = 20e6
CALM_MS = 6000.0  # before the next one; the page does not replace its link more often
PAUSED_CALM_S = 3.0
_SPIN = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): sum(range(100_000))"


@dataclass(frozen=True)
class Scene:
    """What there is before anybody publishes."""

    folder: Path
    machines: Machines
    phone: EmulatedLink
    clip: EncodedClip


@dataclass
class Findings:
    """Times in ms."""

    outages_ms: list[float] = field(default_factory=list)
    legs_ms: list[dict[str, float]] = field(default_factory=list)
    moves: int = 0
    """Sessions that had answers in the place of others, where none was to move."""
    asked: int = 0
    """How often the page asked for its session's URL, of all that it did."""
    connections: int = 0
    """That the page made, with the first one and those that had only an offer."""
    bystander: dict[str, int] = field(default_factory=dict)
    """Frames of the other publisher, and those not answered in time: around losses, and else."""


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--times", type=count, default=20, help="losses (default 20)")
    parser.add_argument(
        "--rtt-ms", type=float, default=50.0, help="between page and fleet (default 50)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--hung", action="store_true", help="SIGSTOP in the place of SIGKILL")
    what.add_argument("--pause-ms", type=count, help="stop the node for so long; exit 1 on a move")
    what.add_argument(
        "--steady", type=count, metavar="S", help="busy loops for so long; exit 1 on a move"
    )
    parser.add_argument("--video", type=Path, metavar="FILE", help="default: the sample clip")
    parser.add_argument("--slo-ms", type=float, default=250.0, help="default 250")
    parser.add_argument("--json", type=Path, metavar="FILE", help="times and legs, in ms")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 if a step failed or somebody moved who was not to."""
    if lack := missing():
        print(f"error: {lack}", file=sys.stderr)
        return 1
    try:
        clip = EncodedClip(options.video, FPS, progress=_report)
        clip.prepare()
        own_network()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-failover-")))
            machines = Machines(folder, stack)
            phone = EmulatedLink(
                constant(RATE_BPS), delay_ms=options.rtt_ms / 2.0, default_route=True
            )
            scene = Scene(folder, machines, stack.enter_context(phone), clip)
            findings = asyncio.run(_measure(options, scene))
    except (MachineError, BrowserMissingError, BrowserError, LinkError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (NotAnsweredError, PublishError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    _show(findings)
    if options.json:
        options.json.write_text(json.dumps(asdict(findings)) + "\n")
    return 1 if findings.moves else 0


async def _measure(options: argparse.Namespace, scene: Scene) -> Findings:
    findings = Findings()
    windows_ms: list[tuple[float, float]] = []
    machines = scene.machines
    async with _publishers(options, scene) as (page, other):
        former = await page.settled(CALM_MS)
        begun_ms = page.now_ms()
        if options.steady:
            await _keep_busy(options.steady, page, findings)
        elif options.pause_ms:
            for number in range(options.times):
                await _pause(options.pause_ms, machines, page, findings)
                _report(f"{number + 1}: {findings.moves} moves")
        else:
            for number in range(options.times):
                windows_ms.append(await _lose(options.hung, machines, page, former, findings))
                _report(
                    f"{number + 1}: {findings.outages_ms[-1]:.0f} ms {_text(findings.legs_ms[-1:])}"
                )
                await machines.ready()
                former = await page.settled(CALM_MS)
        findings.asked, findings.connections = await page.suspicions()
        if other.reason is not None:
            raise PublishError(f"the other publisher: {other.reason}")
        findings.bystander = _misses(other, begun_ms, page.now_ms(), windows_ms)
    return findings


@asynccontextmanager
async def _publishers(
    options: argparse.Namespace, scene: Scene
) -> AsyncIterator[tuple[WatchedPage, LightPublisher]]:
    """The page on the director's address, and another one on the node that stays."""
    machines, slo_ms = scene.machines, options.slo_ms
    await machines.start()
    _report("a director and three nodes take sessions")
    footage = Footage(options.video or sample_video("street"), FPS)
    film = await asyncio.to_thread(camera, footage, 0, scene.folder)
    query = urlencode({"autostart": 1, "source": "camera", "slo": f"{slo_ms:g}", "fps": FPS})
    url = f"{machines.director.url}/?{query}"
    async with (
        publishing(machines.nodes["bystander"].url, scene.clip, slo_ms=slo_ms) as other,
        watched_page(film.path, scene.phone, url, scene.folder) as page,
    ):
        yield page, other


async def _lose(
    is_hung: bool, machines: Machines, page: WatchedPage, former: int, findings: Findings
) -> tuple[float, float]:
    """Lose the node that has the page's session; from when until when no boxes came."""
    node = await _node(machines, page, former)
    since_ms = page.now_ms()
    node.signal(signal.SIGSTOP if is_hung else signal.SIGKILL)
    found = await page.successor(former, since_ms)
    until_ms = float(found["steps"]["answered"])
    findings.outages_ms.append(until_ms - since_ms)
    findings.legs_ms.append(legs_of(found, since_ms))
    await node.kill()
    node.start_again()
    return since_ms, until_ms


async def _node(machines: Machines, page: WatchedPage, connection: int) -> Machine:
    return machines.nodes[await page.node_of(connection)]


async def _pause(pause_ms: int, machines: Machines, page: WatchedPage, findings: Findings) -> None:
    former = await page.settled(CALM_MS)
    before = await page.answered_connections()
    node = await _node(machines, page, former)
    node.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(pause_ms / 1000.0)
    finally:
        node.signal(signal.SIGCONT)
    await asyncio.sleep(PAUSED_CALM_S)
    findings.moves += await page.answered_connections() - before


async def _keep_busy(seconds: int, page: WatchedPage, findings: Findings) -> None:
    before = await page.answered_connections()
    with _busy_loops(os.cpu_count() or 1):
        await asyncio.sleep(seconds)
        findings.moves = await page.answered_connections() - before


@contextmanager
def _busy_loops(count: int) -> Iterator[None]:
    """Processes that take a core each, until the end, also if this one is killed."""
    loops = [
        subprocess.Popen([sys.executable, "-c", _SPIN, str(os.getpid())]) for _ in range(count)
    ]
    try:
        yield
    finally:
        for each in loops:
            each.kill()
            each.wait()


def _misses(
    publisher: LightPublisher,
    begun_ms: float,
    ended_ms: float,
    windows_ms: Sequence[tuple[float, float]],
) -> dict[str, int]:
    """By capture time; its own clock and the page's differ by milliseconds."""
    counts = dict.fromkeys(("frames_around", "missed_around", "frames_else", "missed_else"), 0)
    for frame in publisher.outcomes.frames:
        if frame.outcome is None or not begun_ms <= frame.captured_ms <= ended_ms:
            continue
        around = any(begin <= frame.captured_ms <= end for begin, end in windows_ms)
        where = "around" if around else "else"
        counts[f"frames_{where}"] += 1
        counts[f"missed_{where}"] += frame.outcome != IN_TIME
    return counts


def _text(legs_ms: Sequence[dict[str, float]]) -> str:
    """The medians."""
    return ", ".join(
        f"{name} {statistics.median(each[name] for each in legs_ms):.0f}" for name in legs_ms[0]
    )


def _show(findings: Findings) -> None:
    if times := sorted(findings.outages_ms):
        p90 = times[min(len(times) - 1, 9 * len(times) // 10)]
        print(
            f"{len(times)} losses: no boxes for p50 {statistics.median(times):.0f} ms,"
            f" p90 {p90:.0f} ms, at most {times[-1]:.0f} ms"
        )
        print(f"medians of the legs, ms: {_text(findings.legs_ms)}")
    else:
        print(
            f"{findings.moves} moves; the page asked for its session {findings.asked} times and"
            f" made {findings.connections} connections"
        )
    print(
        "the other publisher: {missed_around} of {frames_around} frames missed while boxes were"
        " away, {missed_else} of {frames_else} else".format(**findings.bystander)
    )


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
