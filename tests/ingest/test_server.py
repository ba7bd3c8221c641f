"""A server with several ingest processes, from its outside."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from edge.ingest.handle import SILENCE_S, IngestStatus
from edge.ingest.process import STATE_EVERY_MS
from edge.server import Server
from tests.publisher import WhipPublisher, publishing
from tests.serving import base, error_of, noise, serving

FRAG = {"Content-Type": "application/trickle-ice-sdpfrag"}


def processes(server: Server) -> list[IngestStatus]:
    assert server.ingests is not None
    return server.ingests.status


def place(server: Server, publisher: WhipPublisher) -> int:
    """The number of the process that its session is in."""
    session = publisher.location.rsplit("/", 1)[1]
    assert server.ingests is not None
    [number] = [i for i, each in enumerate(server.ingests._handles) if session in each._sessions]
    return number


def gone(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


async def test_sessions_are_spread_served_and_reached_by_their_own_urls() -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(ingest=2))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        query = {"slo_ms": "500", "label": "door"}
        first, second = [
            await stack.enter_async_context(
                publishing(base(server), noise(320, 192), query=query, channels=channels)
            )
            for channels in (True, False)
        ]
        assert [each.sessions for each in processes(server)] == [1, 1]
        assert place(server, first) != place(server, second)
        left = [1, 0] if place(server, first) == 0 else [0, 1]
        await first.wait_for_answers(3)
        welcome_wanted = {"version": 1, "slo_ms": 400, "fps": 15}
        first.send("hello", **welcome_wanted)
        welcome = await first.wait_for_type("welcome")
        assert first.location.endswith(welcome["session"])
        assert welcome["slo_ms"] == 400
        hint = await first.wait_for_type("hint")
        assert hint["variant"].startswith("yolov4-tiny-")
        async with http.get(f"{second.location}/results") as stream:
            seen = []
            async with asyncio.timeout(60):
                async for line in stream.content:
                    if line.startswith(b"data: "):
                        seen.append(json.loads(line[6:]))
                    if seen and seen[-1]["type"] == "detections":
                        break
            assert seen[0]["type"] == "welcome"
            assert second.location.endswith(seen[0]["session"])
            async with http.patch(second.location, data="nothing", headers=FRAG) as it:
                assert it.status == 400
                assert (await error_of(it))["code"] == "bad_candidates"
            async with http.delete(second.location) as it:
                assert it.status == 200
            async with asyncio.timeout(60):
                await stream.content.read()  # ends, since the session has
        assert [each.sessions for each in processes(server)] == left
        assert [session.id for session in server.sessions] == [welcome["session"]]
        async with http.get(f"{base(server)}/healthz") as it:
            health = await it.json()
        assert [each["sessions"] for each in health["ingest"]] == left
        pids = [each.pid for each in processes(server)]
    assert all(pid is not None and gone(pid) for pid in pids)


async def test_a_bad_offer_costs_nothing() -> None:
    async with serving(ingest=2) as server, aiohttp.ClientSession() as http:
        for body in ("hello, this is no SDP", "\x01" * 60_000):  # the latter is too long as JSON
            headers = {"Content-Type": "application/sdp"}
            async with http.post(f"{base(server)}/whip", data=body, headers=headers) as it:
                assert it.status == 400
                assert (await error_of(it))["code"] == "bad_sdp"
        assert len(server.sessions) == 0
        assert [each.sessions for each in processes(server)] == [0, 0]


STUCK = """
import signal
def stuck(*_):
    while True:
        pass
signal.signal(signal.SIGUSR1, stuck)
"""


@pytest.fixture
def stuck_at_sigusr1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Child processes whose main thread never returns from SIGUSR1: with them, their event loop."""
    (tmp_path / "sitecustomize.py").write_text(STUCK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


HANGS = [signal.SIGKILL, signal.SIGSTOP, signal.SIGUSR1]


def test_a_hang_is_noticed_within_two_seconds() -> None:
    assert SILENCE_S + STATE_EVERY_MS / 1000.0 <= 2.0


@pytest.mark.usefixtures("stuck_at_sigusr1")
@pytest.mark.parametrize("number", HANGS)
async def test_the_only_process_is_replaced_and_its_publishers_come_back(
    number: signal.Signals,
) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(ingest=1))
        first = await stack.enter_async_context(publishing(base(server), noise(320, 192)))
        await first.wait_for_answers(1)
        [process] = processes(server)
        assert process.pid is not None
        os.kill(process.pid, number)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        async with asyncio.timeout(60):
            while len(server.sessions):
                async with http.get(f"{base(server)}/healthz") as it:  # the server itself goes on
                    assert it.status in (200, 503)
            while not processes(server)[0].ready:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert gone(process.pid)
        async with http.delete(first.location) as it:
            assert it.status == 404  # as the publisher learns
        again = await stack.enter_async_context(publishing(base(server), noise(320, 192)))
        await again.wait_for_answers(3)
        [process] = processes(server)
        assert (process.restarts, process.sessions) == (1, 1)


@pytest.mark.usefixtures("stuck_at_sigusr1")
@pytest.mark.parametrize("number", HANGS)
async def test_a_lost_process_costs_its_own_sessions_only(number: signal.Signals) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(ingest=2))
        publishers: list[WhipPublisher] = [
            await stack.enter_async_context(publishing(base(server), noise(320, 192)))
            for _ in range(2)
        ]
        assert [each.sessions for each in processes(server)] == [1, 1]
        for publisher in publishers:
            await publisher.wait_for_answers(1)
        lost, lives = place(server, publishers[0]), place(server, publishers[1])
        pid = processes(server)[lost].pid
        assert pid is not None
        os.kill(pid, number)
        async with asyncio.timeout(60):
            while len(server.sessions) > 1 or not all(each.ready for each in processes(server)):
                await publishers[1].wait_for_answers(1)  # it lives on
        assert processes(server)[lost].sessions == processes(server)[lives].restarts == 0
        assert processes(server)[lost].restarts == processes(server)[lives].sessions == 1
        assert gone(pid)
        await publishers[1].wait_for_answers(3)
        newcomer = await stack.enter_async_context(publishing(base(server), noise(320, 192)))
        await newcomer.wait_for_answers(1)
        assert [each.sessions for each in processes(server)] == [1, 1]


async def test_frames_end_once_each_and_no_slot_is_kept() -> None:
    async with (
        serving(ingest=2) as server,
        publishing(base(server), noise(320, 192), fps=30) as me,
    ):
        await me.wait_for_answers(20)
        [session] = server.sessions
        await server.sessions.close(session, "test")
        told = len(me.of_type("detections")) + len(me.of_type("dropped"))
    assert sum(session.outcomes.values()) >= told >= 20
