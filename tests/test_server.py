"""The server as a whole: it starts, survives its workers' faults, and stops."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge.config import load
from edge.server import Server
from edge.startup import StartError
from tests.publisher import publishing
from tests.serving import base, error_of, noise, serving, simulated

SDP = {"Content-Type": "application/sdp"}


async def test_a_killed_worker_comes_back_and_sessions_live_on() -> None:
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for_type("detections")
        pid = server.devices.status[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await me.wait_for(lambda each: each["type"] == "dropped")
        await me.wait_for_answers()
        assert server.devices.status[0].pid != pid
        assert len(server.sessions) == 1


async def test_a_port_in_use_is_an_error_before_any_warm_up() -> None:
    async with serving() as running:
        port = int(base(running).rsplit(":", 1)[1])
        with pytest.raises(StartError, match=f"port {port} is in use"):
            async with serving(port=port):
                pass


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"profile": [Path("none.json")]}, "profile: .*none.json"),
        ({"accuracy": Path("none.json")}, "accuracy: .*none.json"),
        ({"http": False, "cert": Path("a.crt"), "key": Path("a.key")}, "TLS: .*a.crt"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(settings: dict[str, Any], words: str) -> None:
    defaults: dict[str, Any] = {"http": True, "device": [simulated()]}
    with pytest.raises(StartError, match=words):
        Server(load(**{**defaults, **settings}))


async def test_a_stopped_server_leaves_no_process_and_no_task() -> None:
    before = asyncio.all_tasks()
    async with serving() as server:
        pid = server.devices.status[0].pid
        async with aiohttp.ClientSession() as http, http.get(f"{base(server)}/readyz") as it:
            assert it.status == 200
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()
    assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()


async def test_a_session_is_planned_for_and_gets_its_hint() -> None:
    """Sessions reach the controller, and its plans the sessions, by the registry."""
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for(lambda each: each["type"] == "hint" and each["variant"] != "")
        [session] = server.sessions
        assert session.id in server.controller.assignments


async def test_the_server_says_goodbye() -> None:
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for_type("detections")
        await server.sessions.close_all("the server is shutting down")
        bye = await me.wait_for_type("bye")
        assert "shutting down" in bye["message"]
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{base(server)}/whip", data="v=0", headers=SDP) as it,
        ):
            assert it.status == 503
            assert (await error_of(it))["code"] == "draining"
