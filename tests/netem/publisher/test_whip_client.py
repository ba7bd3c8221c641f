"""WHIP from the publisher's side, against a stand-in for the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from netem.publisher.whip_client import PublishError, WhipClient, refusal


@dataclass
class StandIn:
    """Gives one response to every request, and records the requests."""

    response: web.Response = field(default_factory=web.Response)
    requests: list[tuple[str, str, str, str]] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "")
        self.requests.append((request.method, request.path_qs, await request.text(), token))
        return self.response


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    stand_in = StandIn()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stand_in.handle)
    async with TestServer(app) as running:
        stand_in.url = str(running.make_url("/"))
        yield stand_in


async def test_an_offer_is_posted_and_the_session_deleted(server: StandIn) -> None:
    server.response = web.Response(status=201, text="answer", headers={"Location": "/whip/7"})
    async with aiohttp.ClientSession() as http:
        whip = WhipClient(http, server.url.rstrip("/"), token="hush")
        assert await whip.publish("offer", {"label": "me"}) == "answer"
        await whip.end()
    assert server.requests == [
        ("POST", "/whip?label=me", "offer", "Bearer hush"),
        ("DELETE", "/whip/7", "", "Bearer hush"),
    ]


async def test_a_refusal_has_the_servers_reason_and_nothing_is_deleted(server: StandIn) -> None:
    server.response = web.json_response({"error": {"message": "full"}}, status=503)
    async with aiohttp.ClientSession() as http:
        whip = WhipClient(http, server.url)
        with pytest.raises(PublishError, match="503: full"):
            await whip.publish("offer", {})
        await whip.end()
    assert [method for method, *_ in server.requests] == ["POST"]


async def test_an_answer_without_a_location_and_a_dead_server_are_refusals(
    server: StandIn,
) -> None:
    server.response = web.Response(status=201, text="answer")
    async with aiohttp.ClientSession() as http:
        with pytest.raises(PublishError, match="Location"):
            await WhipClient(http, server.url).publish("offer", {})
        with pytest.raises(PublishError, match="http://127.0.0.1:1/"):
            await WhipClient(http, "http://127.0.0.1:1").publish("offer", {})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"error": {"message": "full"}}', "full"),
        ("<html>", "<html>"),
        ('{"error": 3}', '{"error": 3}'),
        ("", "no reason given"),
    ],
)
def test_the_reason_is_read_from_the_body(body: str, reason: str) -> None:
    assert refusal(body) == reason
