"""WHIP from the publisher's side, against a stand-in for the server."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from edge.client.whip_client import PublishError, WhipClient, refusal, retry_after_s


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


@pytest.mark.parametrize(("status", "gone"), [(200, False), (404, True), (410, True), (503, False)])
async def test_a_session_is_gone_if_the_server_says_so(
    server: StandIn, status: int, gone: bool
) -> None:
    server.response = web.Response(status=201, text="answer", headers={"Location": "/whip/7"})
    async with aiohttp.ClientSession() as http:
        whip = WhipClient(http, server.url, token="hush")
        assert not await whip.gone()  # there is none yet
        await whip.publish("offer", {})
        server.response = web.Response(status=status)
        assert await whip.gone() is gone
    assert server.requests[-1] == ("GET", "/whip/7", "", "Bearer hush")


async def test_a_session_is_gone_with_its_servers_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    async with aiohttp.ClientSession() as http:
        whip = WhipClient(http, f"http://127.0.0.1:{port}")
        whip.location = "/whip/7"
        assert await whip.gone()


async def test_a_refusal_has_the_servers_reason_and_nothing_is_deleted(server: StandIn) -> None:
    server.response = web.json_response({"error": {"message": "full"}}, status=503)
    async with aiohttp.ClientSession() as http:
        whip = WhipClient(http, server.url)
        with pytest.raises(PublishError, match="503: full"):
            await whip.publish("offer", {})
        await whip.end()
    assert [method for method, *_ in server.requests] == ["POST"]


@pytest.mark.parametrize(
    ("status", "final"), [(400, True), (401, True), (415, True), (429, False), (503, False)]
)
async def test_a_refusal_tells_whether_to_try_again(
    server: StandIn, status: int, final: bool
) -> None:
    server.response = web.Response(status=status, headers={"Retry-After": "7"})
    async with aiohttp.ClientSession() as http:
        with pytest.raises(PublishError) as refused:
            await WhipClient(http, server.url).publish("offer", {})
    assert (refused.value.final, refused.value.retry_after_s) == (final, 7.0)


async def test_the_endpoint_is_taken_for_the_base_url(server: StandIn) -> None:
    headers = {"Location": "/a/whip/7"}
    async with aiohttp.ClientSession() as http:
        for url in ("a", "a/", "a/whip", "a/whip/"):
            server.response = web.Response(status=201, text="answer", headers=headers)
            await WhipClient(http, server.url + url).publish("offer", {})
    assert {path for _, path, _, _ in server.requests} == {"/a/whip"}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("", None), ("10", 10.0), ("soon", None), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)],
)
def test_retry_after_is_a_number_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after_s(value) == seconds


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
