"""`python -m netem publish`: light publishers, and the outcomes of their frames."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import math
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from edge.base.backoff import RetryWait
from edge.client.clocks import EPOCH_MS
from edge.client.whip_client import PublishError
from edge.config import SLO_MAX_MS, SLO_MIN_MS
from edge.observability import garbage_collector
from edge.rtc.transport.aiortc_adapter import InternalsError, check
from netem.footage.encoded_clip import EncodedClip, EncodeError
from netem.publisher.publisher import LightPublisher, publishing

ABOUT = """Publishes real video, encoded beforehand, from N clients in one process, without a
browser; obeys the server's hints and counts the outcome of each frame. URL is the server's base
URL: http://HOST:PORT. To shape the clients' network, run this behind a link: python -m netem link
--rate 4mbit -- python -m netem publish URL."""
_CONNECTING = 8  # handshakes at a time
_PROGRESS_S = 5.0
_LAGGING_MS = 50.0  # behind its own frames: the publisher is the bottleneck, not the server


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("url", type=_url, metavar="URL")
    parser.add_argument("--clients", type=_count, default=1, metavar="N")
    parser.add_argument("--fps", type=_count, default=15, metavar="N", help="default 15")
    parser.add_argument("--slo-ms", type=_slo_ms, default=100.0, metavar="MS", help="default 100")
    parser.add_argument("--seconds", type=_seconds, metavar="S", help="default: until Ctrl-C")
    parser.add_argument("--video", type=Path, metavar="FILE", help="default: the sample clip")
    parser.add_argument("--label", default="", help="their label on the server, numbered")
    parser.add_argument("--token", help="the server's bearer token")
    parser.add_argument("--insecure", action="store_true", help="accept any certificate")
    parser.add_argument(
        "--retry",
        action="store_true",
        help="publish again after a first refusal that may pass, too, and not only a lost session",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="the counts, and every frame")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 if a publisher was refused, was ended on purpose, or was not publishing
    at the end."""
    try:
        check()
        clip = EncodedClip(options.video, options.fps, progress=_progress)
        clip.prepare()
        publishers, failures = asyncio.run(_publish_until_signalled(options, clip))
    except (InternalsError, EncodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    if publishers:
        show(publishers)
    if options.json is not None:
        options.json.write_text(json.dumps([record(each) for each in publishers]) + "\n")
    return 1 if failures else 0


async def _publish_until_signalled(
    options: argparse.Namespace, clip: EncodedClip
) -> tuple[list[LightPublisher], list[str]]:
    garbage_collector.freeze()
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    return await _publish(options, clip, over)


async def _publish(
    options: argparse.Namespace, clip: EncodedClip, over: asyncio.Event
) -> tuple[list[LightPublisher], list[str]]:
    """The publishers that connected, and the failures; until `over`, or after `--seconds`."""
    publishers: list[LightPublisher] = []
    failures: list[str] = []
    places = asyncio.Semaphore(_CONNECTING)
    connected: set[str] = set()  # a lost session is published again

    async def one(number: int) -> None:
        alone = options.label and options.clients == 1
        label = options.label if alone else f"{options.label or 'client'} {number}"
        wait = RetryWait()
        while (failure := await session(label, wait)) is not None:
            if failure.final or not (options.retry or label in connected):
                failures.append(f"{label}: {failure}")
                return
            wait_s = wait.next_s(failure.retry_after_s)
            _progress(f"{label}: {failure}; again in {wait_s:.1f} s")
            await _first(over.wait(), asyncio.sleep(wait_s))
            if over.is_set():
                failures.append(f"{label}: {failure}")
                return

    async def open_session(
        stack: contextlib.AsyncExitStack, label: str, replaces: str = ""
    ) -> LightPublisher:
        async with places:
            publisher = await stack.enter_async_context(
                publishing(
                    options.url,
                    clip,
                    slo_ms=options.slo_ms,
                    label=label,
                    token=options.token,
                    insecure=options.insecure,
                    replaces=replaces,
                )
            )
        publishers.append(publisher)
        connected.add(label)
        return publisher

    async def session(label: str, wait: RetryWait) -> PublishError | None:
        """Publish, in one session after another as the server asks; why the last one ended before
        its time, None if it did not."""
        stack = contextlib.AsyncExitStack()
        try:
            publisher = await open_session(stack, label)
            while True:
                asked = publisher.asked_to_move
                await _first(over.wait(), publisher.ended(), asked.wait())
                if publisher.stats().in_time:
                    wait.worked()
                if over.is_set() or publisher.reason is not None:
                    break
                asked.clear()
                successors = contextlib.AsyncExitStack()
                try:
                    publisher = await open_session(successors, label, publisher.whip_session)
                except PublishError as error:
                    _progress(f"{label}: not moved: {error}")  # the server asks again
                    continue
                former, stack = stack, successors
                await former.aclose()
            if publisher.reason is None:
                return None
            return PublishError(publisher.reason, final=publisher.final)
        except PublishError as error:
            return error
        finally:
            await stack.aclose()

    if options.seconds is not None:
        asyncio.get_running_loop().call_later(options.seconds, over.set)
    watch = asyncio.create_task(_watch(publishers))
    await asyncio.gather(*(one(number) for number in range(1, options.clients + 1)))
    watch.cancel()
    return publishers, failures


async def _first(*waits: Coroutine[object, object, object]) -> None:
    """Until one of them is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _watch(publishers: Sequence[LightPublisher]) -> None:
    """A line of progress every few seconds."""
    while True:
        await asyncio.sleep(_PROGRESS_S)
        all_stats = [each.stats() for each in publishers]
        captured = sum(stats.captured for stats in all_stats)
        in_time = sum(stats.in_time for stats in all_stats)
        mbit = sum(stats.sent_bps for stats in all_stats) / 1e6
        running = sum(each.reason is None for each in publishers)
        _progress(f"{running} clients, {captured:,} frames, {in_time:,} in time, {mbit:.1f} Mbit/s")


def show(publishers: Sequence[LightPublisher]) -> None:
    """A table on standard output, a line a client."""
    table = Table("client", "frames", "in time", "late", "infeasible", "unanswered", "dropped")
    for name in ("p50 ms", "p99 ms", "Mbit/s", "sent", "lag ms"):
        table.add_column(name)
    for publisher in publishers:
        stats = publisher.stats()
        table.add_row(
            publisher.label,
            str(stats.captured),
            f"{100.0 * (1.0 - stats.misses):.1f} %",
            str(stats.late),
            str(stats.infeasible),
            str(stats.unanswered),
            ", ".join(f"{reason} {count}" for reason, count in stats.dropped.items()) or "0",
            *(f"{stats.latency_ms.get(name, math.nan):.1f}" for name in ("p50", "p99")),
            f"{stats.sent_bps / 1e6:.2f}",
            ", ".join(f"{size}: {count}" for size, count in stats.sizes.items()),
            f"{stats.lag_ms:.0f}",
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    worst_ms = max((publisher.stats().lag_ms for publisher in publishers), default=0.0)
    if worst_ms > _LAGGING_MS:
        _progress(f"warning: publishing itself was {worst_ms:.0f} ms behind: too many for a core")


def record(publisher: LightPublisher) -> dict[str, Any]:
    """A publisher's frames, hints and counts, for JSON.

    Times are Unix ms; minus `epoch_ms` they are on this machine's monotonic clock, like the `t` of
    a server that runs on the same machine.
    """
    return {
        "label": publisher.label,
        "session": publisher.session,
        "slo_ms": publisher.slo_ms,
        "epoch_ms": EPOCH_MS,
        "reason": publisher.reason,
        "stats": dataclasses.asdict(publisher.stats()),
        "hints": [dataclasses.asdict(hint) for hint in publisher.hints],
        "switches": [change.to_json() for change in publisher.changes],
        "frames": [dataclasses.asdict(frame) for frame in publisher.outcomes.frames],
    }


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text}: http://... or https://...")
    return text


def _count(text: str) -> int:
    return int(_in_range(text, 1, 1000))


def _slo_ms(text: str) -> float:
    return _in_range(text, SLO_MIN_MS, SLO_MAX_MS)


def _seconds(text: str) -> float:
    return _in_range(text, 0.1, 86_400.0)


def _in_range(text: str, least: float, most: float) -> float:
    value = float(text)
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text}: {least:g} to {most:g}")
    return value
