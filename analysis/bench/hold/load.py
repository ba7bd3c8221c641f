"""Light publishers on a real server: as many as it sustains, then watched minute by minute."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from analysis.bench.edge_server import process_family, rss_mb, serving
from analysis.bench.hold.figures import Minute
from edge.client.clocks import unix_ms
from edge.client.frame_outcomes import quantiles
from edge.client.whip_client import PublishError
from edge.observability import garbage_collector
from netem.footage.encoded_clip import EncodedClip
from netem.publisher.publisher import LightPublisher, publishing

FPS = 15
_LONG_SIDES, _BITS = (192, 320, 416), (0.1, 0.2, 0.4)  # of the renditions; hints choose among them
_STEP_S = 2.0  # between two publishers: the server measures its load over a second
_SAMPLE_S = 6.0  # of frames, by which there is room for one more publisher or not
_MAX_MISSED = 0.02
_SETTLE_S = 10.0
_REFUSALS = 3  # in a row, that count as the limit: one may be due to a moment's load


@dataclass(frozen=True, slots=True)
class HeldLoad:
    """The number of publishers, the reason for no more of them, their minutes, and the publishers
    that the server ended, with its reasons."""

    clients: int
    limit: str
    minutes: list[Minute]
    ended: list[str]


async def hold(options: argparse.Namespace, device: str) -> HeldLoad:
    """Fills a server up to its limit, or with `options.clients`, and holds the load."""
    clip = await made_clip()
    # The publishers' many objects make for long collections, which would look like server lag.
    garbage_collector.disable()
    settings = {"EDGE_MAX_SESSIONS": str(options.most)}
    async with serving(device, options.ingest, **settings) as (pid, url), AsyncExitStack() as stack:
        publishers, limit = await fill(stack, url, clip, options)
        _progress(f"{len(publishers)} publishers: {limit}; held for {options.minutes} minutes")
        await asyncio.sleep(_SETTLE_S)
        minutes: list[Minute] = []
        while len(minutes) < options.minutes and not _ended(publishers):
            minutes.append(await _minute(publishers, pid))
            last = minutes[-1]
            missed = f"{last.missed} of {last.frames:,} missed"
            _progress(f"minute {len(minutes)}: {missed}, {last.rss_mb:.1f} MB")
        return HeldLoad(len(publishers), limit, minutes, _ended(publishers))


async def made_clip() -> EncodedClip:
    """The publishers' video."""
    clip = EncodedClip(fps=FPS, long_sides=_LONG_SIDES, bits=_BITS, progress=_progress)
    await asyncio.to_thread(clip.prepare)
    return clip


def _ended(publishers: Sequence[LightPublisher]) -> list[str]:
    """The publishers that the server ended, with its reasons."""
    return [f"{each.label}: {each.reason}" for each in publishers if each.reason is not None]


async def fill(
    stack: AsyncExitStack, url: str, clip: EncodedClip, options: argparse.Namespace
) -> tuple[list[LightPublisher], str]:
    """Publishers, one after the other, up to the limit; and what the limit was."""

    publishers: list[LightPublisher] = []
    refusals = 0
    while len(publishers) < (options.clients or options.most):
        own = AsyncExitStack()
        try:
            label = f"hold {len(publishers) + 1}"
            publisher = await own.enter_async_context(
                publishing(url, clip, slo_ms=options.slo_ms, label=label)
            )
        except PublishError as error:
            refusals += 1
            if refusals == _REFUSALS:
                return publishers, f"refused: {error}"
            await asyncio.sleep(_STEP_S)
            continue
        refusals = 0
        publishers.append(publisher)
        await asyncio.sleep(_STEP_S)
        frames, missed = await _recent(publishers)
        if options.clients is None and _too_many(frames, missed):
            await asyncio.sleep(_SAMPLE_S)  # a moment's disturbance is not the limit
            frames, missed = await _recent(publishers)
        if options.clients is None and _too_many(frames, missed):
            publishers.pop()
            await own.aclose()
            return publishers, f"with one more, {missed} of {frames} frames were missed"
        stack.push_async_callback(own.aclose)
        if len(publishers) % 5 == 0:
            _progress(f"{len(publishers)} publishers, {missed} of {frames} frames missed")
    return publishers, "no more were asked for"


async def _recent(publishers: Sequence[LightPublisher]) -> tuple[int, int]:
    """Frames of the last seconds, and how many of them were missed."""

    now_ms = unix_ms()
    frames, why, _ = await count_frames(publishers, now_ms - 1000.0 * _SAMPLE_S, now_ms)
    return frames, why.total()


def _too_many(frames: int, missed: int) -> bool:
    return frames > 0 and missed / frames > _MAX_MISSED


async def _minute(publishers: Sequence[LightPublisher], pid: int) -> Minute:
    begin_ms = unix_ms()
    lag_before = [each.lag_ms for each in publishers]
    for each in publishers:
        each.outcomes.forget(begin_ms - 10_000.0)
        await asyncio.sleep(0.0)  # lets the others run
    await asyncio.sleep(60.0)
    frames, why, latencies = await count_frames(publishers, begin_ms - 1200.0, unix_ms() - 1200.0)
    latency = quantiles(latencies)
    lag = [each.lag_ms for each in publishers]
    grown = [now for now, was in zip(lag, lag_before, strict=True) if now > was]
    return Minute(
        frames=frames,
        missed=why.total(),
        p50_ms=latency["p50"],
        p99_ms=latency["p99"],
        rss_mb=sum(rss_mb(each) for pids in process_family(pid).values() for each in pids),
        lag_ms=max(grown, default=0.0),
        why=dict(why.most_common()),
    )


async def count_frames(
    publishers: Sequence[LightPublisher], since_ms: float, until_ms: float
) -> tuple[int, Counter[str], list[float]]:
    """(frames sent and ended, misses by reason, latencies in ms) of captures in that time; other
    tasks run between two publishers."""
    count, why, latencies = 0, Counter[str](), list[float]()
    for each in publishers:
        for frame in each.outcomes.frames:
            if not since_ms <= frame.captured_ms < until_ms:
                continue
            if frame.outcome in (None, "paced", "encoder"):
                continue  # in flight, or left out by the publisher itself
            count += 1
            if frame.outcome != "in_time":
                why[frame.outcome] += 1
            if (ms := frame.latency_ms) is not None:
                latencies.append(ms)
        await asyncio.sleep(0.0)
    return count, why, latencies


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
