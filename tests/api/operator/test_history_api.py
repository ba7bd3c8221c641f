"""What a server keeps of sessions that have ended, over its own restart."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge.server import Server
from tests.publisher import publishing
from tests.serving import base, error_of, noise, serving

PICTURES = noise(320, 192)


async def _ended(
    http: aiohttp.ClientSession, server: Server, least: int = 1
) -> list[dict[str, Any]]:
    """The ended sessions, once there are so many: their rows are written by a thread."""
    async with asyncio.timeout(30):
        while True:
            async with http.get(f"{base(server)}/api/ended") as it:
                sessions: list[dict[str, Any]] = (await it.json())["sessions"]
            if len(sessions) >= least:
                return sessions
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("ingest", [0, 1])
async def test_an_ended_session_s_page_is_kept_over_a_restart(
    ingest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_DATA", str(tmp_path))
    async with aiohttp.ClientSession() as http:
        async with serving(ingest=ingest) as server:
            async with publishing(base(server), PICTURES, query={"label": "gate"}) as me:
                await me.wait_for_answers(5)
                name = me.location.rsplit("/", 1)[1][:6]
                async with http.delete(me.location) as it:
                    assert it.status == 200
            [ended] = await _ended(http, server)
        async with serving() as server:
            assert await _ended(http, server) == [ended]
            async with http.get(f"{base(server)}/api/ended/{name}") as it:
                kept = await it.json()
            async with http.get(f"{base(server)}/api/ended/nobody") as it:
                assert it.status == 404
                assert (await error_of(it))["code"] == "no_session"
    assert (ended["name"], ended["label"], ended["code"]) == (name, "gate", "ended")
    assert ended["reason"] == "ended by the publisher"
    assert ended["began_s"] <= ended["ended_s"]
    outcomes = kept["session"]["outcomes"]
    assert ended["in_time"] + ended["missed"] >= 5
    assert ended["in_time"] == outcomes.get("in_time", 0)
    assert kept["session"]["label"] == "gate"
    secret = me.location.rsplit("/", 1)[1]
    assert secret not in str(kept)
    assert all(
        secret.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()
    )


async def test_every_way_to_end_is_told_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_DATA", str(tmp_path))
    async with aiohttp.ClientSession() as http:
        async with serving(ingest=1) as server:
            async with publishing(base(server), PICTURES, query={"label": "op"}) as me:
                await me.wait_for_answers(1)
                name = me.location.rsplit("/", 1)[1][:6]
                async with http.post(
                    f"{base(server)}/api/sessions/{name}/actions", json={"kind": "end"}
                ) as it:
                    assert it.status == 200
                await me.wait_for_type("bye")
            await _ended(http, server)
            async with publishing(base(server), PICTURES, query={"label": "lost"}) as me:
                await me.wait_for_answers(1)
                [process] = server._ingest_status()
                assert process.pid is not None
                os.kill(process.pid, signal.SIGKILL)  # its sessions go with it
                await _ended(http, server, 2)
            async with asyncio.timeout(60):
                while True:  # the process is replaced
                    if server.sessions.ready:
                        break
                    await asyncio.sleep(0.1)
            async with publishing(base(server), PICTURES, query={"label": "stop"}) as me:
                await me.wait_for_answers(1)
                await server.stop()
        async with serving() as server:
            told = {each["label"]: each for each in await _ended(http, server, 3)}
    assert told["op"]["reason"] == "ended by the operator"
    assert told["lost"]["reason"]
    assert (told["stop"]["code"], told["stop"]["reason"]) == (
        "draining",
        "the server is shutting down",
    )


@pytest.mark.parametrize(
    "path",
    [
        "history?hours=0",
        "history?hours=x",
        "history?hours=nan",
        "history?hours=1e9",
        "ended?limit=0",
        "ended?limit=501",
        "ended?before=-1",
    ],
)
async def test_bad_values_are_named(path: str) -> None:
    async with (
        serving() as server,
        aiohttp.ClientSession() as http,
        http.get(f"{base(server)}/api/{path}") as it,
    ):
        assert it.status == 400
        name = path.partition("?")[2].partition("=")[0]
        assert f"`{name}`" in (await error_of(it))["message"]


async def test_switched_off_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_DATA", str(tmp_path))
    async with (
        serving(history_hours=0) as server,
        aiohttp.ClientSession() as http,
        http.get(f"{base(server)}/api/ended") as it,
    ):
        assert it.status == 503
        assert (await error_of(it))["code"] == "no_history"
    assert not list(tmp_path.glob("history*"))
