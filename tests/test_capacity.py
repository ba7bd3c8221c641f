"""How many more a running server would take: in its API, its metrics and as admission does."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from edge.capacity import typical_session
from edge.config import load
from edge.server import Server
from edge.startup import load_models
from tests.api.events import metric
from tests.publisher import publishing
from tests.serving import base, noise, serving, simulated


async def _capacity(http: aiohttp.ClientSession, server: Server) -> tuple[int, str]:
    server.sessions.tick()  # counts those that have connected
    server.capacity.refresh()
    async with http.get(f"{base(server)}/api/capacity") as it:
        told: dict[str, Any] = await it.json()
    return told["free_sessions"], told["limit"]


def test_a_newcomer_is_as_the_settings_ask() -> None:
    settings = load(fps=10, slo_ms=250)
    typical = typical_session(settings, load_models(settings, print))
    assert (typical.fps, typical.slo_ms) == (10.0, 250.0)
    assert 0.0 < typical.budget_ms < 250.0
    assert typical.link_bps > 0.0


async def test_places_are_all_that_counts_without_admission() -> None:
    async with (
        serving(max_sessions=3, admission=False) as server,
        aiohttp.ClientSession() as http,
    ):
        assert await _capacity(http, server) == (3, "there are 3 places")
        async with publishing(base(server), noise(320, 192)) as me:
            await me.wait_for_answers(1)
            assert await _capacity(http, server) == (2, "there are 3 places")
        server.sessions.drain()
        free, limit = await _capacity(http, server)
        assert (free, limit) == (0, "the server takes no newcomers for now")
        await asyncio.sleep(0)
        server._dashboard.refresh()
        assert await metric(http, base(server), "edge_free_sessions") == {"": 0.0}


@pytest.mark.parametrize("times", [1.0, 30.0])
async def test_an_empty_server_estimates_by_what_its_devices_take(times: float) -> None:
    """Devices thirty times as slow take fewer, and it is found out without a session."""
    async with (
        serving(admission=True, slo_ms=1000, device=[simulated(times)]) as server,
        aiohttp.ClientSession() as http,
    ):
        planned, wanted = asyncio.Event(), 10 if times == 1.0 else 1
        server.controller.on_plan = lambda snapshots: planned.set()
        async with asyncio.timeout(60):
            while (await _capacity(http, server))[0] < wanted:
                planned.clear()
                await planned.wait()
        free, limit = await _capacity(http, server)
        if times > 1.0:
            assert free < 10
            assert "devices" in limit or "scheduler" in limit
