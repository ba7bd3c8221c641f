"""A server with sinks: real publishers in, real receivers out."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.api.events import metric
from tests.mosquitto import Broker, mosquitto
from tests.publisher import publishing
from tests.serving import base, noise, serving
from tests.sinks.parts import SECRET, until
from tests.sinks.receiver import Receiver


def events_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "files.jsonl").read_text().splitlines()]


@mosquitto
@pytest.mark.parametrize("ingest", [0, 1])
async def test_every_answer_reaches_every_sink_and_the_end_loses_none(
    tmp_path: Path, ingest: int
) -> None:
    async with Receiver() as receiver, Broker(tmp_path) as broker:
        sinks = [
            {"name": "hook", "kind": "webhook", "url": receiver.url, "secret": SECRET},
            {"name": "files", "kind": "jsonl", "folder": tmp_path},
            {"name": "home", "kind": "mqtt", "host": "127.0.0.1", "port": broker.port},
        ]
        async with serving(sinks=sinks, ingest=ingest) as server:
            it = [*server.sinks]
            async with (
                publishing(base(server), noise(64, 64), query={"label": "door"}) as door,
                publishing(base(server), noise(96, 64), channels=False),
                aiohttp.ClientSession() as http,
            ):
                await door.wait_for_answers(10)
                await until(lambda: all(sink.sent >= 20 for sink in it))
                async with http.get(f"{base(server)}/api/sinks") as response:
                    shown = (await response.json())["sinks"]
                assert [each["name"] for each in shown] == ["hook", "files", "home"]
                assert SECRET not in json.dumps(shown)
                assert await metric(http, base(server), "edge_sink_up") == dict.fromkeys(
                    ("hook", "files", "home"), 1.0
                )
        # Both sessions have ended with the server; what waited has been sent.
        found = events_of(tmp_path)
        assert {event["label"] for event in found} == {"door", ""}
        assert sum(event["type"] == "bye" for event in found) == 2
        of_door = [event for event in found if event["label"] == "door"]
        assert of_door[-1]["type"] == "bye"
        answered = {event["rtp"] for event in of_door if event["type"] == "detections"}
        assert {answer["rtp"] for answer in door.of_type("detections")} <= answered
        assert receiver.numbers == [*range(1, len(found) + 1)]
        assert [sink.sent for sink in it] == [len(found)] * 3
        assert [sink.queue.lost for sink in it] == [0, 0, 0]


async def test_a_session_that_is_lost_with_its_process_has_an_end(tmp_path: Path) -> None:
    sinks = [{"name": "files", "kind": "jsonl", "folder": tmp_path}]
    async with (
        serving(sinks=sinks, ingest=1) as server,
        publishing(base(server), noise(64, 64)) as me,
    ):
        await me.wait_for_answers()
        assert server.ingests is not None
        [status] = server.ingests.status
        assert status.pid is not None
        os.kill(status.pid, signal.SIGKILL)
        await until(lambda: len(server.sessions) == 0)
    [bye] = [event for event in events_of(tmp_path) if event["type"] == "bye"]
    assert bye["code"] == "timeout"


async def test_dead_sinks_cost_no_answer_and_hold_up_no_end(tmp_path: Path) -> None:
    """None of the receivers is there, one accepts and says nothing."""
    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    (tmp_path / "files.jsonl").symlink_to("/dev/full")
    sinks: list[dict[str, Any]] = [
        {"name": "hook", "kind": "webhook", "url": f"http://127.0.0.1:{port}/", "secret": SECRET},
        {"name": "gone", "kind": "webhook", "url": "http://127.0.0.1:9/", "secret": SECRET},
        {"name": "files", "kind": "jsonl", "folder": tmp_path},
        {"name": "home", "kind": "mqtt", "host": "127.0.0.1", "port": port},
    ]
    async with serving(sinks=[{**each, "queue_events": 5} for each in sinks]) as server:
        it = [*server.sinks]
        async with publishing(base(server), noise(64, 64)) as me:
            await me.wait_for_answers(30)
        await until(lambda: all(sink.queue.losses["overflow"] for sink in it[1:3]))
    for sink in it:
        assert sink.sent == 0
        assert sink.queue.lost >= 30
    silent.close()


async def test_without_sinks_nobody_is_followed() -> None:
    async with serving() as server, publishing(base(server), noise(64, 64)) as me:
        await me.wait_for_answers()
        [session] = server.sessions
        assert not session._streams  # type: ignore[attr-defined]
