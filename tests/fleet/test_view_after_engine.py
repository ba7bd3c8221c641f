"""What a director shows once the engine is back, also of a node that was restarted meanwhile."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fleet.engine import nats
from tests.fleet.two_nodes import Fleet, fleet

pytestmark = [nats, pytest.mark.timeout(300)]

TOKEN = "correct horse"


async def _get(http: aiohttp.ClientSession, it: Fleet, path: str) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with http.get(f"{it.director.url}api/{path}", headers=headers) as response:
        assert response.status == 200
        return await response.json()


async def test_the_view_is_whole_again_with_the_engine(tmp_path: Path) -> None:
    async with (
        fleet(tmp_path, EDGE_ADMIN_TOKEN=TOKEN) as it,
        AsyncExitStack() as stack,
        aiohttp.ClientSession() as http,
        asyncio.timeout(240),
    ):
        [one] = await it.publishers(stack, 1)
        kept = it.node_of(one)
        [restarted] = {*it.nodes} - {kept}
        await it.engine.end()
        await it.director.says(f"event=node_asked node={kept} liveness=vouched".encode())
        await it.nodes[restarted].end(signal.SIGKILL)
        await it.director.says(f"event=node_asked node={restarted} liveness=gone".encode())
        await it.nodes[restarted].start()
        listed = await _get(http, it, "sessions")  # also now
        assert [each["node"] for each in listed["sessions"]] == [kept]
        assert not (await _get(http, it, "nodes"))["engine_connected"]

        await it.engine.start()
        loop = asyncio.get_running_loop()
        begin_s, states = loop.time(), [{"state": "", "report_age_ms": None}]
        while not all(
            each["state"] == "fresh" and each["report_age_ms"] is not None for each in states
        ):
            states = (await _get(http, it, "nodes"))["nodes"]
        print(f"the view was whole {loop.time() - begin_s:.2f} s after the engine listened")
        assert [each["node"] for each in states] == ["a", "b"]
        await one.wait_for_answers()
