"""What an operator sees and does at a director."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from edge.base.clock import now_ms
from edge.fleet.subjects import DRAIN, subject
from tests.fleet.engine import NatsServer, nats
from tests.fleet.fakes import directing, fake_nodes, knows, until
from tests.serving import serving

pytestmark = nats

ADMIN = {"Authorization": "Bearer correct horse"}
JSON = {**ADMIN, "Content-Type": "application/json"}


async def _get(http: aiohttp.ClientSession, url: str) -> Any:
    async with http.get(url, headers=ADMIN) as response:
        assert response.status == 200
        return await response.json()


async def test_nodes_are_listed_with_what_they_serve_and_without_their_keys() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, admin_token="correct horse") as director,
        fake_nodes(engine.url, "b", "a") as [b, a],
        aiohttp.ClientSession() as http,
    ):
        a.sessions = 40
        b.fields["draining"] = True
        await until(
            lambda: (
                {each.name: each.beat.draining for each in director.view} == {"a": False, "b": True}
            )
        )
        await until(lambda: (n := director.view.get("a")) is not None and n.beat.sessions == 40)
        found = await _get(http, director.url + "api/nodes")
        assert [each["node"] for each in found["nodes"]] == ["a", "b"]
        first, second = found["nodes"]
        assert (first["sessions"], first["room"], first["load"]) == (40, 60, 0.4)
        assert first["state"] in ("fresh", "suspect", "vouched")
        assert second["draining"]
        assert found["sessions"] == 40
        assert found["free_sessions"] in (60, 0)  # none while it is being asked
        assert found["engine_connected"]
        assert "key of" not in json.dumps(found)
        targets = await _get(http, director.url + "api/nodes/http_sd")
        assert [each["labels"]["node"] for each in targets] == ["a", "b"]
        assert targets[0]["targets"] == [f"{a.server.host}:{a.server.port}"]
        assert targets[0]["labels"]["__metrics_path__"] == "/metrics"


async def test_the_metrics_have_free_sessions_and_every_node() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, admin_token="correct horse") as director,
        fake_nodes(engine.url, "a", "b") as [a, b],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a", "b")
        a.beats = b.beats = False
        b.looks = False
        known = director.view.get("b")
        assert known is not None
        await until(lambda: known.liveness(now_ms()) == "gone")
        async with http.get(director.url + "metrics", headers=ADMIN) as response:
            text = await response.text()
        assert 'edge_fleet_nodes{state="gone"} 1.0' in text
        assert "edge_fleet_engine_connected 1.0" in text
        assert 'edge_fleet_node_room{node="a"} 100.0' in text
        assert 'node="b"' not in text
        assert "edge_fleet_free_sessions " in text


async def test_a_node_is_drained_and_taken_back() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, admin_token="correct horse") as director,
        serving(fleet={"servers": engine.url, "name": "a"}) as server,
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a")
        url = director.url + "api/nodes/a/drain"
        for on in (True, False):
            async with http.post(url, data=json.dumps({"on": on}), headers=JSON) as response:
                assert (response.status, await response.json()) == (200, {"draining": on})
            assert server.sessions.draining is on
        for body, status in ((b"{}", 400), (b'{"on": 1}', 400), (b"no", 400), (b"", 400)):
            async with http.post(url, data=body, headers=JSON) as response:
                assert response.status == status
                assert (await response.json())["error"]["code"] == "bad_drain"
        async with http.post(url, data="{}", headers={**ADMIN, "Content-Type": "text/plain"}) as it:
            assert it.status == 415
        async with http.post(director.url + "api/nodes/b/drain", data="{}", headers=JSON) as it:
            assert it.status == 404
        assert not server.sessions.draining
    assert subject(DRAIN, "a") == "edge.drain.a"


@pytest.mark.parametrize("path", ["api/nodes", "api/nodes/http_sd", "metrics"])
async def test_nobody_else_sees_it(path: str) -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, admin_token="correct horse") as director,
        aiohttp.ClientSession() as http,
    ):
        async with http.get(director.url + path) as response:
            assert response.status == 401
        async with http.post(director.url + "api/nodes/a/drain", data="{}") as response:
            assert response.status == 401
