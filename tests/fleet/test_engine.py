"""A connection to the engine that ends when it is told to."""

from __future__ import annotations

import asyncio

import pytest

from edge.config.fleet import FleetSettings
from edge.fleet.engine import Engine


async def test_it_stops_though_the_library_swallows_a_cancellation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connecting = asyncio.Event()

    async def connect() -> None:
        connecting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise OSError("closed") from None

    engine = Engine(FleetSettings(servers=["nats://127.0.0.1:1"]), "stubborn")
    monkeypatch.setattr(engine, "_connect", connect)
    engine.start()
    await connecting.wait()
    async with asyncio.timeout(60):
        await engine.stop()
    assert not engine.is_connected
    await engine.stop()  # twice is harmless
