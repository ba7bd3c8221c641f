"""The sessions of all nodes at a director: listed, acted on, and what a node's failure does."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from edge.base.clock import now_ms
from edge.fleet.beat import Beat
from edge.fleet.director.reports import DEADLINE_S, PERIOD_MS
from edge.fleet.report import MAX_REPORT_BYTES
from tests.fleet.engine import NatsServer, nats
from tests.fleet.fakes import directing, fake_nodes, knows, until
from tests.fleet.reports import row
from tests.publisher import publishing
from tests.serving import base, local, noise, serving

pytestmark = nats

ROOT = Path(__file__).parents[3]
ADMIN = {"Authorization": "Bearer correct horse"}
JSON = {**ADMIN, "Content-Type": "application/json"}
TOKEN = {"admin_token": "correct horse"}


async def _get(http: aiohttp.ClientSession, url: str, status: int = 200) -> Any:
    async with http.get(url, headers=ADMIN) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def _settled(director: Any, http: aiohttp.ClientSession, total: int) -> Any:
    """The list, once it has so many sessions."""
    found: Any = {"total": -1}
    while found["total"] != total:
        found = await _get(http, director.url + "api/sessions")
    return found


async def test_the_sessions_of_all_nodes_are_one_list() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, **TOKEN) as director,
        fake_nodes(engine.url, "a", "b") as [a, b],
        aiohttp.ClientSession() as http,
    ):
        a.rows = [row("s1", label="gate"), row("s2", missed=10)]
        b.rows = [row("s3", label="dock")]
        await knows(director, "a", "b")
        found = await _settled(director, http, 3)
        assert [each["name"] for each in found["sessions"]] == ["s2", "s3", "s1"]
        assert [each["node"] for each in found["sessions"]] == ["a", "b", "a"]
        url = director.url + "api/sessions?"
        found = await _get(http, url + "search=gate&limit=1")
        assert [each["name"] for each in found["sessions"]] == ["s1"]
        for query in ("limit=0", "limit=many", "sort=colour", "colour=red"):
            refused = await _get(http, url + query, 400)
            assert refused["error"]["code"] == "bad_query"
            assert query.split("=")[0] in refused["error"]["message"]
        nodes = {
            each["node"]: each for each in (await _get(http, director.url + "api/nodes"))["nodes"]
        }
        assert (nodes["a"]["in_time"], nodes["a"]["missed"]) == (20, 10)
        assert nodes["a"]["variants"] == ["of-a"]
        async with http.get(director.url + "metrics", headers=ADMIN) as response:
            text = await response.text()
        assert 'edge_fleet_node_frames_total{end="missed",node="a"} 7.0' in text
        assert 'edge_fleet_node_frames_total{end="in_time",node="b"} 1000.0' in text


async def test_a_node_that_does_not_answer_keeps_its_last_word_with_its_age() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, **TOKEN) as director,
        fake_nodes(engine.url, "a", "b") as [a, b],
        aiohttp.ClientSession() as http,
    ):
        a.rows, b.rows = [row("s1")], [row("s2")]
        await knows(director, "a", "b")
        await _settled(director, http, 2)
        a.reports = False
        b.rows = [row("s2"), row("s3")]
        found = await _settled(director, http, 3)  # the others are not kept waiting
        ages: dict[str, float] = {}
        while ages.get("s1", 0.0) <= ages.get("s2", 0.0) + DEADLINE_S * 1000.0:
            found = await _get(http, director.url + "api/sessions")
            ages = {each["name"]: each["report_age_ms"] for each in found["sessions"]}
        assert set(ages) == {"s1", "s2", "s3"}


@pytest.mark.parametrize(
    "answer", [None, b"", b"{}", b"[" * 100_000, b'{"node": "a"}', b" " * (MAX_REPORT_BYTES + 10)]
)
async def test_what_is_no_report_costs_that_node_alone(answer: bytes | None) -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, **TOKEN) as director,
        fake_nodes(engine.url, "a", "b") as [a, b],
        aiohttp.ClientSession() as http,
    ):
        a.reports, b.rows = answer, [row("s2")]
        await knows(director, "a", "b")
        await _settled(director, http, 1)
        found = await _get(http, director.url + "api/nodes")
        assert [each["report_age_ms"] is None for each in found["nodes"]] == [True, False]


async def test_sessions_are_told_while_the_engine_is_away_and_of_a_gone_node_no_more() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, **TOKEN) as director,
        fake_nodes(engine.url, "a", "b") as [a, b],
        aiohttp.ClientSession() as http,
    ):
        a.rows, b.rows = [row("s1")], [row("s2")]
        await knows(director, "a", "b")
        await _settled(director, http, 2)
        await engine.end()
        await until(
            lambda: all(node.liveness(now_ms()) == "vouched" for node in director.view), 60.0
        )
        a.rows = [row("s1"), row("s4")]
        await _settled(director, http, 3)
        state = await _get(http, director.url + "api/nodes")
        assert not state["engine_connected"]
        assert state["verdict"]["line"].startswith("The engine is away")
        refused = director.url + "api/nodes/a/sessions/s1/actions"
        async with http.post(refused, data='{"kind": "end"}', headers=JSON) as response:
            assert response.status == 503
            assert (await response.json())["error"]["code"] == "no_answer"
        await b.server.close()
        await _settled(director, http, 2)


async def test_many_readers_are_one_request_a_second_to_a_node() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, **TOKEN) as director,
        fake_nodes(engine.url, "a"),
        aiohttp.ClientSession() as http,
    ):
        asked: list[float] = []
        answer = director._client.report

        async def counted(node: Beat, timeout_s: float) -> bytes | None:
            asked.append(director._reports._asked["a"][1])  # when that was decided
            return await answer(node, timeout_s)

        director._client.report = counted  # type: ignore[method-assign]
        await knows(director, "a")
        while len(asked) < 3:
            await _get(http, director.url + "api/nodes")
            await _get(http, director.url + "api/sessions")
        gaps = [later - earlier for earlier, later in pairwise(asked)]
        assert min(gaps) >= PERIOD_MS


async def test_an_action_is_carried_out_at_the_node() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, **TOKEN) as director,
        serving(fleet={"servers": engine.url, "name": "a"}, slo_ms=5000) as server,
        aiohttp.ClientSession() as http,
        publishing(base(server), noise(160, 120), query={"label": "gate"}) as publisher,
    ):
        await publisher.wait_for_answers()
        await knows(director, "a")
        [session] = local(server)
        found = await _settled(director, http, 1)
        [one] = found["sessions"]
        assert (one["name"], one["label"], one["node"]) == (session.name, "gate", "a")
        while not one["in_time"]:
            [one] = (await _get(http, director.url + "api/sessions"))["sessions"]
        assert one["size"] == [160, 120]
        assert one["variant"].startswith("yolov4-tiny")
        [node] = (await _get(http, director.url + "api/nodes"))["nodes"]
        assert one["variant"] in node["variants"]
        url = f"{director.url}api/nodes/a/sessions/{session.name}/actions"
        for target, body, status, code in (
            (url, b"no", 400, "bad_action"),
            (url, b'{"kind": "sing"}', 400, "bad_action"),
            (url, b"[]", 400, "bad_action"),
            (url.replace(session.name, "nobody"), b'{"kind": "end"}', 404, "no_session"),
            (url.replace("nodes/a", "nodes/b"), b'{"kind": "end"}', 404, "no_node"),
        ):
            async with http.post(target, data=body, headers=JSON) as response:
                assert response.status == status
                assert (await response.json())["error"]["code"] == code
        plain = {**ADMIN, "Content-Type": "text/plain"}
        async with http.post(url, data="{}", headers=plain) as response:
            assert response.status == 415
        async with http.post(url, data='{"kind": "slo", "slo_ms": 2500}', headers=JSON) as response:
            assert response.status == 200
            assert (await response.json())["done"]["slo_ms"] == 2500
        await publisher.wait_for(lambda each: each.get("slo_ms") == 2500)
        async with http.post(url, data=json.dumps({"kind": "end"}), headers=JSON) as response:
            assert response.status == 200
        await publisher.wait_for_type("bye")


@pytest.mark.parametrize("path", ["admin", "api/sessions", "api/nodes/a/sessions/s/actions"])
async def test_nobody_else_sees_or_does_it(path: str) -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, **TOKEN) as director,
        aiohttp.ClientSession() as http,
    ):
        method = "POST" if path.endswith("actions") else "GET"
        async with http.request(method, director.url + path, data="{}") as response:
            assert response.status == 401
        html = {"Accept": "text/html"}
        async with http.get(
            director.url + "admin", headers=html, allow_redirects=False
        ) as response:
            assert (response.status, response.headers["Location"]) == (303, "/admin/login")
        login = {"token": "correct horse"}
        async with http.post(director.url + "admin/login", data=login) as response:
            assert response.status == 200
            assert 'id="node-rows"' in await response.text()
            assert "default-src 'self'" in response.headers["Content-Security-Policy"]


async def test_alerts_and_the_documented_metrics_are_those_that_there_are() -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/edge-fleet.rules.yml").read_text())
    page = (ROOT / "docs/operate/fleet.md").read_text()
    async with (
        NatsServer() as engine,
        directing(engine.url, **TOKEN) as director,
        fake_nodes(engine.url, "a"),
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a")
        async with http.get(director.url + "metrics", headers=ADMIN) as response:
            families = list(text_string_to_metric_families(await response.text()))
    samples = {sample.name for family in families for sample in family.samples}
    for family in families:
        assert f"`{family.name}`" in page
    assert set(re.findall(r"`(edge_fleet_\w+)`", page)) == {family.name for family in families}
    for rule in rules["groups"][0]["rules"]:
        asked = set(re.findall(r"\bedge_[a-z_]+", rule["expr"]))
        assert asked
        assert asked <= samples, rule["alert"]
        assert f"`{rule['alert']}`" in page
