"""A director before nodes of the test's own: who gets an offer, what is passed on, or refused."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from edge.api.access.directors import KEY_HEADER
from edge.base.clock import now_ms
from edge.fleet.director import api, offers
from tests.fleet.engine import NatsServer, nats
from tests.fleet.fakes import directing, fake_nodes, knows, offer, refusing, until

pytestmark = nats


@pytest.fixture(autouse=True)
def _no_hedge(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a node of the test's own may be slow, too."""
    monkeypatch.setattr(offers, "HEDGE_S", 60.0)
    monkeypatch.setattr(offers, "HEDGE_REPLACING_S", 60.0)


async def _get(http: aiohttp.ClientSession, url: str, **options: object) -> tuple[int, str]:
    async with http.get(url, **options) as response:  # type: ignore[arg-type]
        return response.status, await response.text()


async def test_an_offer_is_placed_and_its_url_leads_to_the_node() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        aiohttp.ClientSession() as http,
    ):
        assert (await _get(http, director.url + "readyz"))[0] == 503
        assert (await _get(http, director.url + "healthz"))[0] == 200
        status, headers, body = await offer(http, director)
        assert status == 503
        assert headers["Retry-After"] == "1"
        assert json.loads(body)["error"]["code"] == "no_node"
        async with fake_nodes(engine.url, "a") as [node]:
            await knows(director, "a")
            assert (await _get(http, director.url + "readyz"))[0] == 200
            status, headers, body = await offer(http, director, "?slo_ms=150&label=door")
            assert (status, body) == (201, "answer of a")
            assert headers["Location"] == "/n/a/whip/s-a-1"
            assert headers["ETag"] == '"e"'
            [(_, path, seen, sent)] = node.of("POST")
            assert path == "/whip?slo_ms=150&label=door"
            assert sent == "an offer"
            assert seen["Content-Type"] == "application/sdp"
            location = director.url.rstrip("/") + headers["Location"]
            assert await _get(http, location) == (200, "GET at a")
            async with http.patch(location, data="a=x", headers={"If-Match": '"e"'}) as response:
                assert await response.text() == "PATCH at a"
            async with http.delete(location) as response:
                assert await response.text() == "DELETE at a"
            [(_, path, seen, sent)] = node.of("PATCH")
            assert (path, sent, seen["If-Match"]) == ("/whip/s-a-1", "a=x", '"e"')
            [(_, path, _, _)] = node.of("DELETE")
            assert path == "/whip/s-a-1"


async def test_a_root_path_stands_before_the_location() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, root_path="/edge") as director,
        fake_nodes(engine.url, "a"),
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a")
        _, headers, _ = await offer(http, director)
        assert headers["Location"] == "/edge/n/a/whip/s-a-1"
        url = director.url.rstrip("/") + headers["Location"]
        assert await _get(http, url) == (200, "GET at a")


async def test_newcomers_are_spread_also_those_of_one_moment() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a", "b", "c"),
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a", "b", "c")
        placed = await asyncio.gather(*(offer(http, director) for _ in range(12)))
        counts = Counter(headers["Location"].split("/")[2] for _, headers, _ in placed)
        assert sum(counts.values()) == 12
        assert max(counts.values()) <= 6
        assert len(counts) == 3


async def test_a_nodes_503_sends_the_offer_on_and_the_last_one_comes_back() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a", "b") as [a, b],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a", "b")
        a.answer = refusing(503, "busy", **{"Retry-After": "10"})
        for _ in range(6):
            status, headers, _ = await offer(http, director)
            assert status == 201
            assert headers["Location"].startswith("/n/b/")
        b.answer = refusing(503, "full", **{"Retry-After": "10"})
        status, headers, body = await offer(http, director)
        assert status == 503
        assert headers["Retry-After"] == "10"
        assert json.loads(body)["error"]["code"] in ("busy", "full")


@pytest.mark.parametrize("status", [400, 401, 415, 429, 500])
async def test_other_refusals_are_the_publishers(status: int) -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a", "b") as nodes,
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a", "b")
        for node in nodes:
            node.answer = refusing(status, "told")
        got, _, body = await offer(http, director)
        assert got == status
        assert json.loads(body)["error"]["code"] == "told"
        assert sum(len(node.of("POST")) for node in nodes) == 1


async def test_a_node_that_cannot_be_reached_costs_no_newcomer() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a", "b") as [a, _],
        aiohttp.ClientSession() as http,
    ):
        a.fields["url"] = "http://127.0.0.1:9"  # nobody listens there, though it beats
        await knows(director, "a", "b")
        await until(lambda: (n := director.view.get("a")) is not None and n.beat.url.endswith(":9"))
        for _ in range(6):
            status, headers, _ = await offer(http, director)
            assert status == 201
            assert headers["Location"].startswith("/n/b/")


async def test_an_offer_that_a_node_holds_up_goes_to_another_and_the_spare_session_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(offers, "HEDGE_S", 0.4)
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a", "b") as [a, b],
        aiohttp.ClientSession() as http,
    ):
        released = asyncio.Event()

        async def slow(request: web.Request) -> web.StreamResponse:
            if request.method == "POST":
                await released.wait()
            return await a.create(request)

        a.answer = slow
        b.fields["load"] = 0.9  # so that the first choice is a
        await knows(director, "a", "b")
        await until(lambda: (node := director.view.get("b")) is not None and node.load >= 0.9)
        status, headers, _ = await offer(http, director, "", Authorization="Bearer mine")
        assert status == 201
        assert headers["Location"].startswith("/n/b/")
        assert not a.of("DELETE")
        released.set()
        await a.wait_for("DELETE")
        [(_, path, seen, _)] = a.of("DELETE")
        assert path == "/whip/s-a-1"
        assert seen["Authorization"] == "Bearer mine"
        assert not b.of("DELETE")


async def test_a_silent_node_that_answers_directly_goes_on_and_one_that_does_not_is_gone() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a", "b") as [a, b],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a", "b")
        a.beats = b.beats = False
        b.looks = False
        known_a, known_b = director.view.get("a"), director.view.get("b")
        assert known_a is not None
        assert known_b is not None
        await until(lambda: known_a.liveness(now_ms()) == "vouched")
        await until(lambda: known_b.liveness(now_ms()) == "gone")
        for _ in range(5):
            status, headers, _ = await offer(http, director)
            assert status == 201
            assert headers["Location"].startswith("/n/a/")
        # It is gone as far as newcomers go; what still comes through is not cut off.
        assert await _get(http, director.url + "n/b/whip/x") == (200, "GET at b")
        await b.server.close()
        status, body = await _get(http, director.url + "n/b/whip/x")
        assert status == 410
        assert json.loads(body)["error"]["code"] == "node_gone"


async def test_a_draining_node_gets_no_newcomers_and_keeps_its_sessions() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a", "b") as [a, b],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a", "b")
        a.fields["draining"] = True
        await until(lambda: (node := director.view.get("a")) is not None and node.beat.draining)
        for _ in range(5):
            _, headers, _ = await offer(http, director)
            assert headers["Location"].startswith("/n/b/")
        assert await _get(http, director.url + "n/a/whip/x") == (200, "GET at a")
        b.fields["draining"] = True
        await until(lambda: (node := director.view.get("b")) is not None and node.beat.draining)
        assert (await _get(http, director.url + "readyz"))[0] == 503
        assert (await offer(http, director))[0] == 503


async def test_a_node_that_no_beat_tells_of_is_unknown_at_first_and_gone_later() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        aiohttp.ClientSession() as http,
    ):
        url = director.url + "n/nobody/whip/x"
        seen = set[int]()
        async with asyncio.timeout(60):
            while 410 not in seen:
                async with http.get(url) as response:
                    seen.add(response.status)
                    if response.status == 503:
                        assert response.headers["Retry-After"] == "1"
        assert seen <= {503, 410}


async def test_a_successor_goes_to_the_node_of_the_session_that_it_replaces() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a", "b") as [a, b],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a", "b")
        b.fields["load"] = 0.9
        await until(lambda: (node := director.view.get("b")) is not None and node.load >= 0.9)
        _, headers, _ = await offer(http, director)
        session = headers["Location"].rpartition("/")[2]
        assert headers["Location"] == f"/n/a/whip/{session}"
        a.fields["load"], b.fields["load"] = 0.9, 0.0
        await until(lambda: (node := director.view.get("a")) is not None and node.load >= 0.9)
        await until(lambda: (node := director.view.get("b")) is not None and node.load < 0.9)
        _, headers, _ = await offer(http, director, f"?replaces={session}&label=x")
        assert headers["Location"].startswith("/n/a/")
        assert a.of("POST")[-1][1] == f"/whip?replaces={session}&label=x"
        # Of a session that nobody knows, or whose node takes none: a newcomer.
        _, headers, _ = await offer(http, director, "?replaces=unknown&label=x")
        assert headers["Location"].startswith("/n/b/")
        assert b.of("POST")[-1][1] == "/whip?label=x"
        a.fields["draining"] = True
        await until(lambda: (node := director.view.get("a")) is not None and node.beat.draining)
        _, headers, _ = await offer(http, director, f"?replaces={session}")
        assert headers["Location"].startswith("/n/b/")
        assert b.of("POST")[-1][1] == "/whip"


async def test_a_node_that_forgot_the_session_takes_its_successor_as_a_newcomer() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a") as [a],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a")
        _, headers, _ = await offer(http, director)
        session = headers["Location"].rpartition("/")[2]

        async def forgetful(request: web.Request) -> web.StreamResponse:
            if "replaces" in request.query:
                return await refusing(400, "bad_query")(request)
            return await a.create(request)

        a.answer = forgetful
        status, _, _ = await offer(http, director, f"?replaces={session}&slo_ms=90")
        assert status == 201
        assert a.of("POST")[-1][1] == "/whip?slo_ms=90"
        a.answer = refusing(400, "bad_query")
        status, _, _ = await offer(http, director, f"?replaces={session}&slo_ms=1")
        assert status == 400


async def test_a_node_learns_the_client_and_nothing_that_it_made_up() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, trusted_proxies=["127.0.0.1"]) as director,
        fake_nodes(engine.url, "a") as [a],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a")
        made_up = {
            KEY_HEADER: "made up",
            "X-Forwarded-For": "203.0.113.9, 198.51.100.7",
            "X-Forwarded-Prefix": "/evil",
            "Forwarded": "for=203.0.113.9",
            "X-Real-IP": "203.0.113.9",
            "Cookie": "edge_admin=x",
            "Authorization": "Bearer mine",
        }
        await offer(http, director, "", **made_up)
        [(_, _, seen, _)] = a.of("POST")
        assert seen["X-Forwarded-For"] == "198.51.100.7"
        assert seen[KEY_HEADER] == "key of a"
        assert seen["Authorization"] == "Bearer mine"
        assert not {"X-Forwarded-Prefix", "Forwarded", "X-Real-IP", "Cookie"} & set(seen)


@pytest.mark.parametrize(
    ("headers", "client"), [({}, "127.0.0.1"), ({"X-Forwarded-For": "127.0.0.1"}, "unknown")]
)
async def test_only_who_is_here_is_told_to_be_here(headers: dict[str, str], client: str) -> None:
    """A forwarder on this machine may stand for anybody."""
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a") as [a],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a")
        await offer(http, director, "", **headers)
        [(_, _, seen, _)] = a.of("POST")
        assert seen["X-Forwarded-For"] == client


async def test_the_page_of_another_origin_is_named_and_the_directors_own_is_not() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a") as [a],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a")
        await offer(http, director, "", Origin="https://app.example")
        await offer(http, director, "", Origin=director.url.rstrip("/"))
        foreign, own = a.of("POST")
        assert foreign[2]["Origin"] == "https://app.example"
        assert "Origin" not in own[2]


@pytest.mark.parametrize(
    "path",
    [
        "n/a/whip/x%2F..%2F..%2Ffleet%2Flook",
        "n/a/whip/..%2f..%2ffleet/look",
        "n/a/fleet/look",
        "n/a/admin",
        "n/a/api/sessions",
        "n/a/metrics",
        "n/a/whip",
        "n/a%2Fb/whip/x",
    ],
)
async def test_no_path_leads_to_the_rest_of_a_node(path: str) -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a") as [a],
    ):
        await knows(director, "a")
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(director.url).port)
        writer.write(f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        response = await reader.read()
        writer.close()
        assert response.startswith(b"HTTP/1.1 404 ")
        assert b"key of a" not in response
        assert not a.requests


async def test_tokens_of_the_director_are_checked_there() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, token="correct horse") as director,
        fake_nodes(engine.url, "a") as [a],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a")
        status, headers, _ = await offer(http, director)
        assert status == 401
        assert headers["WWW-Authenticate"] == "Bearer"
        assert (await offer(http, director, "", Authorization="Bearer wrong"))[0] == 401
        assert not a.of("POST")
        assert (await offer(http, director, "", Authorization="Bearer correct horse"))[0] == 201
        async with http.delete(director.url + "n/a/whip/x") as response:
            assert response.status == 401
        assert not a.of("DELETE")


async def test_the_offers_of_an_address_are_limited() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, trusted_proxies=["127.0.0.1"], max_posts_per_minute=2) as director,
        fake_nodes(engine.url, "a") as [a],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a")
        one, other = {"X-Forwarded-For": "198.51.100.7"}, {"X-Forwarded-For": "198.51.100.8"}
        found = [(await offer(http, director, "", **one))[0] for _ in range(3)]
        assert found == [201, 201, 429]
        assert (await offer(http, director, "", **other))[0] == 201
        assert len(a.of("POST")) == 3


async def test_an_offer_that_is_too_large_goes_nowhere() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url, max_sdp_bytes=4096) as director,
        fake_nodes(engine.url, "a") as [a],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a")
        async with http.post(director.url + "whip", data="x" * 5000) as response:
            assert response.status == 413
            assert (await response.json())["error"]["code"] == "too_large"
        assert not a.requests


async def test_messages_that_are_no_beats_do_no_harm() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a") as [a],
    ):
        client = a._engine
        for data in (b"", b"{}", b"\xff", b"[1]", b'{"node": "a"}', b"x" * 10_000):
            await client.publish("edge.beat.a", data)
        await knows(director, "a")


async def test_a_doubled_name_leaves_the_former_its_sessions() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a") as [first],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a")
        async with fake_nodes(engine.url, "a", incarnation="2") as [second]:
            node = director.view.get("a")
            assert node is not None
            await until(lambda: node.rival is not None)
            for _ in range(4):
                assert (await offer(http, director))[2] == "answer of a"
            assert len(first.of("POST")) == 4
            assert not second.of("POST")


async def test_who_asks_about_a_session_need_not_wait_longer_than_its_node_is_doubted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(api, "STATE_S", 3600.0)
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a") as [a],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a")

        async def hung(request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(3600)
            return await a.create(request)

        a.answer, a.beats, a.looks = hung, False, False
        status, body = await _get(http, director.url + "n/a/whip/x")
        assert (status, json.loads(body)["error"]["code"]) == (410, "node_gone")


async def test_a_node_that_is_slow_and_beats_is_not_gone() -> None:
    """Its publisher is told nothing for good."""
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a") as [a],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a")
        released = asyncio.Event()

        async def slow(request: web.Request) -> web.StreamResponse:
            await released.wait()
            return await a.create(request)

        a.answer, a.looks = slow, False
        status, body = await _get(http, director.url + "n/a/whip/x")
        known = director.view.get("a")
        assert known is not None
        assert (status, json.loads(body)["error"]["code"]) == (503, "no_answer")
        released.set()
        await until(lambda: known.liveness(now_ms()) == "fresh")
        assert (await offer(http, director))[0] == 201


async def test_a_node_that_fell_silent_and_hangs_is_gone_by_its_first_question() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a") as [a],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a")

        async def hang(request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(3600)
            raise AssertionError

        a.answer, a.looks, a.beats = hang, False, False
        codes: list[int] = []
        async with asyncio.timeout(60):
            while not codes or codes[-1] != 410:
                codes.append((await _get(http, director.url + "n/a/whip/x"))[0])
        assert set(codes) <= {503, 410}
