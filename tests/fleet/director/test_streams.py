"""Results of a real node through a director, over HTTPS as well."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from edge.fleet.director.director import Director
from edge.server import Server
from tests.fleet.engine import NatsServer, nats
from tests.fleet.fakes import directing, fake_nodes, knows, offer, until
from tests.publisher import publishing
from tests.serving import local, noise, serving

pytestmark = nats

READ = {"Authorization": "Bearer read this"}


@asynccontextmanager
async def _one_node(**settings: Any) -> AsyncIterator[tuple[Director, Server]]:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        serving(
            fleet={"servers": engine.url, "name": "a"}, read_token="read this", **settings
        ) as server,
    ):
        await knows(director, "a")
        yield director, server


@pytest.mark.parametrize("http", [True, False])
async def test_a_publisher_that_is_here_is_here_for_the_node_as_well(http: bool) -> None:
    """Its candidates are of this machine, and its address is bound by no limits."""
    async with _one_node(http=http, max_sessions_per_address=1) as (director, server):
        url = director.url.rstrip("/")
        async with (
            publishing(url, noise(160, 120)) as one,
            publishing(url, noise(160, 120)) as other,
        ):
            await one.wait_for_answers()
            await other.wait_for_answers()
            assert one.location.startswith(f"{url}/n/a/whip/")
            assert len(local(server)) == 2


async def test_a_web_socket_flows_through() -> None:
    async with _one_node() as (director, _), aiohttp.ClientSession() as http:
        url = director.url.rstrip("/")
        async with publishing(url, noise(160, 120), query={"label": "door"}):
            async with asyncio.timeout(60):
                async with http.ws_connect(f"{url}/n/a/api/results", headers=READ) as socket:
                    message = json.loads((await anext(socket)).data)
                assert message["label"] == "door"
                async with http.get(f"{url}/n/a/api/results?label=door", headers=READ) as stream:
                    async for line in stream.content:
                        if line.startswith(b"data: "):
                            break
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await http.ws_connect(f"{url}/n/a/api/results")
        assert caught.value.status == 401
        async with http.get(f"{url}/n/a/api/results") as response:
            assert response.status == 401


async def test_a_web_socket_ends_with_its_client() -> None:
    async with _one_node() as (director, server), aiohttp.ClientSession() as http:
        url = director.url.rstrip("/")
        async with publishing(url, noise(160, 120)) as one:
            await one.wait_for_answers()
            async with http.ws_connect(f"{url}/n/a/api/results", headers=READ) as socket:
                await anext(socket)
                assert server._feed._feed
            async with asyncio.timeout(60):
                while server._feed._feed:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)


async def test_a_node_with_another_certificate_than_its_beats_name_gets_nothing() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        serving(http=False) as stranger,
        aiohttp.ClientSession() as http,
    ):
        there = stranger.url.rstrip("/").replace("localhost", "127.0.0.1")
        async with fake_nodes(engine.url, "a") as [a]:
            a.fields |= {"url": there, "fingerprint": "00" * 32}
            await knows(director, "a")
            await until(lambda: (n := director.view.get("a")) is not None and n.beat.url == there)
            status, _, body = await offer(http, director)
        assert status == 503
        assert json.loads(body)["error"]["code"] == "no_node"
        assert stranger.sessions.half_open == 0


async def test_a_stream_that_the_node_breaks_off_ends_for_the_client() -> None:
    async with (
        NatsServer() as engine,
        directing(engine.url) as director,
        fake_nodes(engine.url, "a") as [a],
        aiohttp.ClientSession() as http,
    ):
        await knows(director, "a")

        async def broken(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            await response.write(b"data: 1\n\n")
            assert request.transport is not None
            request.transport.abort()
            return response

        a.answer = broken
        async with http.get(f"{director.url}n/a/whip/x/results") as stream:
            with pytest.raises(aiohttp.ClientError):
                await stream.read()
