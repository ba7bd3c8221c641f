"""From a frame's encoding to its picture in the server: aiortc as it ships, and ours, in one run.

Real Chromium streams a street video over loopback to each receiver in turn, at 10, 15 and 30
frames a second. An encoded transform in the page notes when each frame leaves the encoder; pings
over a data channel put that on the server's clock (by the least round trip). The encoder is
capped at 1.2 Mbit/s for both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import Page
from rich import box
from rich.console import Console
from rich.table import Table

from edge.assets import samples
from edge.assets.browser import chromium
from edge.clock import now_ms
from edge.observability import garbage_collector
from edge.rtc import aiortc_adapter
from edge.rtc.jitter.frames import DecodedFrame
from edge.rtc.peer_connection import PeerConnection
from netem.baseline.stock_receiver import StockReceiver

RATES = (10, 15, 30)  # frames a second
MIN_RATIO = 10.0  # stock median over ours
MAX_P99_MS = 10.0

_ROUNDS = 2  # of each receiver, in turn
_SETTLE_S = 2.0  # after connecting, before frames count
_PAGE = Path(__file__).parent / "page"

LEGS = ("whole", "network", "decode", "hand over")

Decoded = list[tuple[int, tuple[float, ...]]]  # (rtp, instants in ms; the last: picture at hand)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds",
        type=float,
        default=20.0,
        metavar="N",
        help="measured of each receiver at each frame rate (default 20)",
    )


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when both promises were kept at every frame rate, 1 otherwise."""
    load = os.getloadavg()[0]
    rows = asyncio.run(_measure(options.seconds))
    console = Console()
    console.print(_table(rows))
    console.print(f"load average before it began: {load:.1f}, {os.cpu_count()} processors")
    kept = True
    for row in rows:
        if row["receiver"] == "ours":
            for promise, held in (
                (f"median at least {MIN_RATIO:g} times lower", row["ratio"] >= MIN_RATIO),
                (f"p99 under {MAX_P99_MS:g} ms", row["whole"]["p99"] < MAX_P99_MS),
            ):
                kept = kept and held
                console.print(f"{'kept' if held else 'BROKEN'}: {row['fps']} frames/s, {promise}")
    if options.json:
        report = {
            "versions": aiortc_adapter.VERSIONS,
            "kept": kept,
            "load_before": load,
            "rows": rows,
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if kept else 1


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="milliseconds since encoded", box=box.SIMPLE)
    for name in ("rate", "receiver", "leg", "frames"):
        table.add_column(name, no_wrap=True)
    for name in ("p50", "p90", "p99", "max", "ratio"):
        table.add_column(name, justify="right")
    for row in rows:
        for leg in LEGS:
            if leg in row:
                whole = leg == "whole"
                table.add_row(
                    f"{row['fps']}/s" if whole else "",
                    row["receiver"] if whole else "",
                    leg if whole else f"  {leg}",
                    f"{row['frames']}/{row['encoded']}" if whole else "",
                    *(f"{row[leg][name]:.1f}" for name in ("p50", "p90", "p99", "max")),
                    f"{row['ratio']:.1f}" if whole and "ratio" in row else "",
                )
    return table


async def _measure(seconds: float) -> list[dict[str, Any]]:
    aiortc_adapter.check()
    receivers = {"stock": _receive_stock, "ours": _receive_ours}
    runs: dict[tuple[int, str], list[_Run]] = defaultdict(list)
    async with _Site(receivers) as site:
        for fps in RATES:
            camera = samples.y4m(samples.street_video(), fps)
            async with chromium(camera) as browser:
                page = await browser.new_page()
                await page.goto(site.url)
                await page.wait_for_function("window.bench")
                for _ in range(_ROUNDS):
                    for name in receivers:
                        print(f"{fps} frames/s, {name}", file=sys.stderr)
                        run = await _one(page, site, name, fps, seconds / _ROUNDS)
                        runs[fps, name].append(run)
    return _rows(runs)


@dataclass(frozen=True, slots=True)
class _Run:
    """Frames encoded in one connection's measured time, and each decoded one's ms by leg."""

    encoded: int
    frames: list[dict[str, float]]


async def _one(page: Page, site: _Site, name: str, fps: int, seconds: float) -> _Run:
    await page.evaluate("([name, fps]) => bench.publish(name, fps)", [name, fps])
    receiving = site.current
    assert receiving is not None
    begin_ms = now_ms() + 1000.0 * _SETTLE_S
    await asyncio.sleep(_SETTLE_S + seconds)  # the length of the measurement
    end_ms = now_ms() - 1000.0  # what was encoded since may still be on its way
    report = await page.evaluate("() => bench.finish()")
    await receiving.close()
    encoded = {rtp: at_ms + report["offset_ms"] for rtp, at_ms in report["encoded"]}
    measured = {rtp: at_ms for rtp, at_ms in encoded.items() if begin_ms <= at_ms <= end_ms}
    return _Run(
        len(measured),
        [_legs(measured[rtp], times) for rtp, times in receiving.decoded() if rtp in measured],
    )


def _legs(encoded_ms: float, times: tuple[float, ...]) -> dict[str, float]:
    legs = {"whole": times[-1] - encoded_ms}
    if len(times) == 3:  # when received, decoded, handed over
        instants = (encoded_ms, *times)
        legs |= {leg: b - a for leg, (a, b) in zip(LEGS[1:], pairwise(instants), strict=True)}
    return legs


def _rows(runs: dict[tuple[int, str], list[_Run]]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for (fps, name), parts in runs.items():
        frames = [frame for part in parts for frame in part.frames]
        if not frames:
            raise RuntimeError(f"no frame was decoded by {name} at {fps} frames/s")
        row: dict[str, Any] = {
            "fps": fps,
            "receiver": name,
            "encoded": sum(part.encoded for part in parts),
            "frames": len(frames),
        }
        row |= {leg: _spread([frame[leg] for frame in frames]) for leg in frames[0]}
        if name == "ours":
            stock = next(r for r in rows if r["fps"] == fps and r["receiver"] == "stock")
            row["ratio"] = stock["whole"]["p50"] / row["whole"]["p50"]
        rows.append(row)
    return rows


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    spread = {
        f"p{quantile}": ordered[math.ceil(len(ordered) * quantile / 100) - 1]
        for quantile in (50, 90, 99)
    }
    return spread | {"max": ordered[-1]}


@dataclass(frozen=True, slots=True)
class _Receiving:
    """One connection, and what it decoded."""

    answer: str
    close: Callable[[], Awaitable[None]]
    decoded: Callable[[], Decoded]


def _pong(text: str | bytes, t1_ms: float) -> str:
    return json.dumps({**json.loads(text), "t1_ms": t1_ms, "t2_ms": now_ms()})


async def _receive_ours(offer: str) -> _Receiving:
    decoded: Decoded = []

    def on_frame(frame: DecodedFrame) -> None:
        decoded.append((frame.rtp, (frame.received_ms, frame.decoded_ms, now_ms())))

    def on_message(label: str, text: str | bytes) -> None:
        peer.send(label, _pong(text, now_ms()))

    peer = PeerConnection(
        slo_ms=100.0,
        on_frame=on_frame,
        on_lost=lambda rtps, reason: None,
        on_message=on_message,
        on_channel=lambda label: None,
        on_state=lambda state: None,
    )
    return _Receiving(await peer.answer(offer), peer.close, lambda: decoded)


async def _receive_stock(offer: str) -> _Receiving:
    decoded: Decoded = []

    def on_frame(frame: Any, rtp: int, at_ms: float) -> None:
        decoded.append((rtp, (at_ms,)))

    def on_message(label: str, text: str, at_ms: float) -> None:
        receiver.send(label, _pong(text, at_ms))

    receiver = StockReceiver(on_frame, on_message)
    return _Receiving(await receiver.answer(offer), receiver.close, lambda: decoded)


class _Site:
    """The page and the two receivers' signalling, on a free port of localhost."""

    def __init__(self, receivers: Mapping[str, Callable[[str], Awaitable[_Receiving]]]) -> None:
        self.url = ""
        self.current: _Receiving | None = None
        self._receivers = receivers
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self._index),
                web.post("/offer/{receiver}", self._offer),
                web.static("/", _PAGE),
            ]
        )
        self._runner = web.AppRunner(app)

    async def _index(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(_PAGE / "index.html")

    async def _offer(self, request: web.Request) -> web.Response:
        receive = self._receivers[request.match_info["receiver"]]
        self.current = await receive(await request.text())
        return web.Response(text=self.current.answer)

    async def __aenter__(self) -> _Site:
        garbage_collector.freeze()
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://localhost:{port}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
