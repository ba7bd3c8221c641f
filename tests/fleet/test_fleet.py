"""A real fleet: a director, two servers, an engine, real publishers; and what happens to each."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from edge.fleet.subjects import DRAIN
from tests.fleet.engine import NatsServer, nats
from tests.fleet.fakes import until
from tests.fleet.listener import listening_to
from tests.fleet.processes import Program, becomes, director, node, running, status
from tests.fleet.two_nodes import FRAMES, fleet
from tests.free_port import free_port
from tests.publisher import publishing

pytestmark = [nats, pytest.mark.timeout(300)]


async def test_sessions_are_on_both_nodes_and_a_killed_ones_publishers_find_the_other(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path) as it, AsyncExitStack() as stack:
        publishers = await it.publishers(stack, 3)
        while len({it.node_of(each) for each in publishers}) < 2:
            # On a busy machine one node may have been the slower one each time.
            assert len(publishers) < 10
            publishers += await it.publishers(stack, 1)
        lost = it.node_of(publishers[0])
        [left] = {*it.nodes} - {lost}
        for each in publishers:
            assert await status(each.location) == 200
        await it.nodes[lost].end(signal.SIGKILL)
        for each in publishers:
            # 503 until it is sure; then as of a session that has ended.
            await becomes(each.location, 410 if it.node_of(each) == lost else 200)
        for each in await it.publishers(stack, 2):
            assert it.node_of(each) == left
        await it.nodes[lost].start()
        await it.director.says(f"event=node_restarted node={lost} ".encode())
        await becomes(publishers[0].location, 404)


async def test_sessions_and_newcomers_do_not_notice_that_the_engine_is_away(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path) as it, AsyncExitStack() as stack:
        [before] = await it.publishers(stack, 1)
        await it.engine.end()
        await it.publishers(stack, 1)  # while both still seem to beat
        for name in it.nodes:
            await it.director.says(f"event=node_asked node={name} liveness=vouched".encode())
        await it.publishers(stack, 2)
        assert await status(it.director.url + "readyz") == 200
        assert await status(before.location) == 200
        await before.wait_for_answers(3)
        for each in it.nodes.values():
            assert await status(each.url + "healthz") == 200
        await it.engine.start()
        async with listening_to(it.engine.url) as listener:
            for name in it.nodes:
                await listener.next(lambda beat, name=name: beat.node == name)  # type: ignore[misc]
        await before.wait_for_answers()


async def test_a_director_that_is_killed_loses_no_session(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it, AsyncExitStack() as stack:
        [one] = await it.publishers(stack, 1)
        await it.director.end(signal.SIGKILL)
        await one.wait_for_answers(3)
        await it.director.start()
        await becomes(one.location, 200)
        [other] = await it.publishers(stack, 1)
        assert await status(one.location, "DELETE") == 200
        await becomes(one.location, 410)
        await other.wait_for_answers()


async def test_a_drained_node_gets_no_newcomers_and_keeps_its_sessions(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it, AsyncExitStack() as stack:
        [one] = await it.publishers(stack, 1)
        drained = it.node_of(one)
        assert await it.listener.ask(DRAIN, drained, {"on": True}) == {"draining": True}
        await it.listener.next(lambda beat: beat.node == drained and beat.draining)
        for each in await it.publishers(stack, 3):
            assert it.node_of(each) != drained
        await one.wait_for_answers()
        assert await status(it.director.url + "readyz") == 200


async def test_a_node_that_stops_for_half_a_second_loses_nothing(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it, AsyncExitStack() as stack:
        publishers = await it.publishers(stack, 2)
        stopped = it.nodes[it.node_of(publishers[0])]
        stopped.send(signal.SIGSTOP)
        await asyncio.sleep(0.5)  # so long is the fault itself
        stopped.send(signal.SIGCONT)
        for each in publishers:
            await becomes(each.location, 200)
            await each.wait_for_answers()


async def test_results_flow_through_the_director(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it:
        url = it.director.url.rstrip("/")
        async with (
            publishing(url, FRAMES, channels=False) as one,
            aiohttp.ClientSession() as http,
        ):
            async with asyncio.timeout(60), http.get(f"{one.location}/results") as stream:
                assert stream.headers["Content-Type"].startswith("text/event-stream")
                assert stream.headers["Access-Control-Allow-Origin"] == "*"
                async for line in stream.content:
                    if b'"detections"' in line:
                        break
            async with http.get(f"{one.location}x/results") as response:
                assert response.status == 404


async def test_the_page_is_the_directors_and_a_client_publishes_by_it(tmp_path: Path) -> None:
    async with fleet(tmp_path) as it, aiohttp.ClientSession() as http:
        async with http.get(it.director.url) as response:
            page = await response.text()
            assert response.status == 200
            assert '"whip": "/whip"' in page
            assert "yolov4-tiny" in page
        for path in ("edge-client.js", "static/js/page/main.js"):
            assert await status(it.director.url + path) == 200


async def test_an_engine_of_its_own_is_restarted_and_ends_with_the_director(
    tmp_path: Path,
) -> None:
    port = free_port()
    head = director(tmp_path, "--fleet-listen", f"127.0.0.1:{port}")
    one = node(f"nats://127.0.0.1:{port}", tmp_path)
    async with running(head, one):
        await head.says(b"event=node_new ")
        first = _engine_pid(head)
        os.kill(first, signal.SIGKILL)
        await head.says(rb"(?s)event=engine_started.*event=engine_started")
        second = _engine_pid(head)
        assert second != first
        await one.says(rb"(?s)event=engine_connected.*event=engine_connected")
        await becomes(head.url + "readyz", 200)
        await head.end(signal.SIGKILL)
        await until(lambda: not _runs(second))
        await head.start()
        third = _engine_pid(head)
        await becomes(head.url + "readyz", 200)
        assert await head.end(signal.SIGTERM) == 0
        assert not _runs(third)
        assert await status(one.url + "healthz") == 200


def _engine_pid(program: Program) -> int:
    return int(re.findall(rb"event=engine_started pid=(\d+)", program.output)[-1])


def _runs(pid: int) -> bool:
    try:
        return "nats-server" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


async def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    async with NatsServer() as engine:
        head = director(tmp_path, "--fleet-listen", f"127.0.0.1:{engine.port}")
        await head.start(wait=False)
        try:
            output = await head.says(b"error: .*\n")
            assert await head.ended() == 1
        finally:
            await head.end()
        assert f"127.0.0.1:{engine.port}".encode() in output
        assert b"--fleet-listen" in output
