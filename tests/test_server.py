"""The server as a whole: it starts, survives its workers' faults, and stops."""

from __future__ import annotations

import os
import signal

import aiohttp

from tests.publisher import publishing
from tests.serving import base, error_of, noise, serving

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
