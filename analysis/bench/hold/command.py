"""The most publishers that this machine holds, found by adding one after the other, and then held.

A real server (`edge serve`, on a simulated device unless another is named) in a process of its own;
light publishers join until the server refuses one or frames are missed. That many are held for some
minutes, in which misses and the server's memory are watched. The publishers share the machine
with the server: where `lag ms` is large, it was they who were too busy.

The publishers are the laboratory's: only this command, a tool, imports `netem`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from analysis.bench.edge_server import family, serving, simulated
from analysis.bench.hold.figures import Minute, promises
from edge.observability import garbage_collector

if TYPE_CHECKING:
    from netem.footage.encoded_clip import EncodedClip
    from netem.publisher.publisher import LightPublisher

_LONG_SIDES, _BITS = (192, 320, 416), (0.1, 0.2, 0.4)  # what is sent; hints choose among them
_FPS = 15
_STEP_S = 2.0  # between newcomers: the server measures itself over a second
_LOOK_S = 6.0  # of frames that tell whether there is room for one more
_MOST_MISSED = 0.02
_SETTLE_S = 10.0
_AGAIN = 3  # refusals in a row that count as one: one may come of a moment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=int, default=10, metavar="N", help="default 10")
    parser.add_argument("--most", type=int, default=200, metavar="N", help="clients; default 200")
    parser.add_argument("--clients", type=int, metavar="N", help="default: as many as it holds")
    parser.add_argument("--slo-ms", type=float, default=150.0, metavar="MS", help="default 150")
    parser.add_argument("--ingest", type=int, default=1, metavar="N", help="default 1")
    parser.add_argument("--device", metavar="D", help="default: simulated, 2 to 10 ms a picture")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when the load was held, 1 otherwise."""
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        device = options.device or simulated(Path(folder))
        try:
            clients, why, minutes, ended = asyncio.run(_hold(options, device))
        except (OSError, RuntimeError, TimeoutError) as error:
            print(f"error: {error or type(error).__name__}", file=sys.stderr)
            return 1
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(_table(minutes))
    console.print(f"{clients} publishers, {_FPS} frames a second, {options.slo_ms:g} ms; {why}")
    refused = why.startswith("refused") if options.clients is None else None
    stayed = "; ".join(ended) or "every publisher stayed"
    judged = [*promises(minutes, refused), (stayed, not ended)]
    for text, held in judged:
        console.print(f"{'kept' if held else 'BROKEN'}: {text}")
    kept = all(held for _, held in judged)
    if options.json:
        report = {
            "kept": kept,
            "clients": clients,
            "why": why,
            "ended": ended,
            "minutes": [*map(asdict, minutes)],
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if kept else 1


async def _hold(
    options: argparse.Namespace, device: str
) -> tuple[int, str, list[Minute], list[str]]:
    """How many there were, why no more, minute by minute, and whoever did not stay."""
    from netem.footage.encoded_clip import EncodedClip  # noqa: PLC0415  # the laboratory: a tool may

    clip = EncodedClip(fps=_FPS, long_sides=_LONG_SIDES, bits=_BITS, progress=_say)
    await asyncio.to_thread(clip.prepare)
    # What the publishers remember makes for long pauses, which would be taken for the server's.
    garbage_collector.disable()
    most = {"EDGE_MAX_SESSIONS": str(options.most)}
    async with serving(device, options.ingest, **most) as (pid, url), AsyncExitStack() as stack:
        publishers, why = await _fill(stack, url, clip, options)
        _say(f"{len(publishers)} publishers: {why}; holding them for {options.minutes} minutes")
        await asyncio.sleep(_SETTLE_S)
        minutes: list[Minute] = []
        while len(minutes) < options.minutes and not _ended(publishers):
            minutes.append(await _minute(publishers, pid))
            last = minutes[-1]
            missed = f"{last.missed} of {last.frames:,} missed"
            _say(f"minute {len(minutes)}: {missed}, {last.rss_mb:.1f} MB")
        return len(publishers), why, minutes, _ended(publishers)


def _ended(publishers: Sequence[LightPublisher]) -> list[str]:
    """Who did not stay, and why."""
    return [f"{each.label}: {each.reason}" for each in publishers if each.reason is not None]


async def _fill(
    stack: AsyncExitStack, url: str, clip: EncodedClip, options: argparse.Namespace
) -> tuple[list[LightPublisher], str]:
    """As many as there is room for, and why there is none for more."""
    from netem.publisher.publisher import publishing  # noqa: PLC0415
    from netem.publisher.whip_client import PublishError  # noqa: PLC0415

    publishers: list[LightPublisher] = []
    refusals = 0
    while len(publishers) < (options.clients or options.most):
        one = AsyncExitStack()
        try:
            label = f"hold {len(publishers) + 1}"
            publisher = await one.enter_async_context(
                publishing(url, clip, slo_ms=options.slo_ms, label=label)
            )
        except PublishError as error:
            refusals += 1
            if refusals == _AGAIN:
                return publishers, f"refused: {error}"
            await asyncio.sleep(_STEP_S)
            continue
        refusals = 0
        publishers.append(publisher)
        await asyncio.sleep(_STEP_S)
        frames, missed = await _look(publishers)
        if options.clients is None and _too_many(frames, missed):
            await asyncio.sleep(_LOOK_S)  # a hiccup of the machine is no limit: looked at again
            frames, missed = await _look(publishers)
        if options.clients is None and _too_many(frames, missed):
            publishers.pop()
            await one.aclose()
            return publishers, f"with one more, {missed} of {frames} frames were missed"
        stack.push_async_callback(one.aclose)
        if len(publishers) % 5 == 0:
            _say(f"{len(publishers)} publishers, {missed} of {frames} frames missed")
    return publishers, "no more were asked for"


async def _look(publishers: Sequence[LightPublisher]) -> tuple[int, int]:
    """Frames of the last seconds, and how many of them were missed."""
    from netem.publisher.clocks import unix_ms  # noqa: PLC0415

    now_ms = unix_ms()
    frames, why, _ = await _count(publishers, now_ms - 1000.0 * _LOOK_S, now_ms)
    return frames, why.total()


def _too_many(frames: int, missed: int) -> bool:
    return frames > 0 and missed / frames > _MOST_MISSED


async def _minute(publishers: Sequence[LightPublisher], pid: int) -> Minute:
    from netem.publisher.clocks import unix_ms  # noqa: PLC0415
    from netem.publisher.frame_outcomes import quantiles  # noqa: PLC0415

    begin_ms = unix_ms()
    lag_before = [each.lag_ms for each in publishers]
    for each in publishers:
        each.outcomes.forget(begin_ms - 10_000.0)
        await asyncio.sleep(0.0)  # what the others have to do does not wait
    await asyncio.sleep(60.0)
    frames, why, latencies = await _count(publishers, begin_ms - 1200.0, unix_ms() - 1200.0)
    found = quantiles(latencies)
    lag = [each.lag_ms for each in publishers]
    grown = [now for now, was in zip(lag, lag_before, strict=True) if now > was]
    return Minute(
        frames=frames,
        missed=why.total(),
        p50_ms=found["p50"],
        p99_ms=found["p99"],
        rss_mb=_rss_mb(pid),
        lag_ms=max(grown, default=0.0),
        why=dict(why.most_common()),
    )


async def _count(
    publishers: Sequence[LightPublisher], since_ms: float, until_ms: float
) -> tuple[int, Counter[str], list[float]]:
    """(frames that went out and ended, why those not in time were missed, latencies) of captures in
    that time; publisher by publisher, so that none is held up."""
    count, why, latencies = 0, Counter[str](), list[float]()
    for each in publishers:
        for frame in each.outcomes.frames:
            if not since_ms <= frame.captured_ms < until_ms:
                continue
            if frame.outcome in (None, "paced", "encoder"):
                continue  # it has not ended, or that was the publisher's own doing
            count += 1
            if frame.outcome != "in_time":
                why[frame.outcome] += 1
            if (ms := frame.latency_ms) is not None:
                latencies.append(ms)
        await asyncio.sleep(0.0)
    return count, why, latencies


def _rss_mb(pid: int) -> float:
    """Of all the server's processes."""
    total = 0.0
    for each in (number for pids in family(pid).values() for number in pids):
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{each}/status").read_text(), re.M)
        total += int(found[1]) / 1024.0 if found else 0.0
    return total


def _table(minutes: Sequence[Minute]) -> Table:
    table = Table(title="minute by minute", box=box.SIMPLE)
    for name in (
        "minute",
        "frames",
        "missed",
        "share",
        "p50 ms",
        "p99 ms",
        "resident MB",
        "lag ms",
    ):
        table.add_column(name, justify="right")
    table.add_column("why")
    for number, each in enumerate(minutes, start=1):
        table.add_row(
            str(number),
            f"{each.frames:,}",
            str(each.missed),
            f"{each.share:.2%}",
            f"{each.p50_ms:.1f}",
            f"{each.p99_ms:.1f}",
            f"{each.rss_mb:.1f}",
            f"{each.lag_ms:.0f}",
            ", ".join(f"{reason} {count}" for reason, count in each.why.items()),
        )
    return table


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
