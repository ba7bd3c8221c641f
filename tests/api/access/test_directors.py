"""Requests that a fleet's director forwards count as their clients'; nobody else can say so."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge.api.access.auth import AccessControl
from edge.api.access.directors import KEY_HEADER, MAX_KNOWN, Directors
from edge.config import load


async def _seen(directors: Directors, headers: dict[str, str], **settings: Any) -> dict[str, Any]:
    """What the access control makes of a request from loopback."""
    access = AccessControl(load(**settings), directors=directors)

    async def tell(request: web.Request) -> web.Response:
        return web.json_response(
            {
                "client": str(access.client(request)),
                "here": access.is_on_this_machine(request),
                "local": access.is_local(request),
                "publisher": access.is_local_publisher(request),
                "https": access.is_https(request),
            }
        )

    app = web.Application()
    app.router.add_get("/", tell)
    async with TestClient(TestServer(app)) as client, client.get("/", headers=headers) as it:
        seen: dict[str, Any] = await it.json()
        return seen


def _from(directors: Directors, client: str) -> dict[str, str]:
    return {KEY_HEADER: directors.key, "X-Forwarded-For": client}


async def test_the_client_is_the_one_that_a_director_names() -> None:
    directors = Directors(expected=True)
    seen = await _seen(directors, _from(directors, "198.51.100.7"))
    assert seen["client"] == "198.51.100.7"
    assert not seen["here"]
    assert not seen["publisher"]


async def test_a_client_on_the_machine_of_both_is_on_this_machine_and_no_administrator() -> None:
    directors = Directors(expected=True)
    seen = await _seen(directors, _from(directors, "127.0.0.1"))
    assert seen["here"]
    assert seen["publisher"]
    assert not seen["local"]


async def test_a_client_that_a_director_cannot_name_is_nowhere_near() -> None:
    directors = Directors(expected=True)
    seen = await _seen(directors, _from(directors, "unknown"))
    assert (seen["here"], seen["publisher"], seen["local"]) == (False, False, False)
    assert seen["client"] == "127.0.0.1", "the director's own address, with its limits"


@pytest.mark.parametrize("key", ["", "wrong", "\u00e9"])
async def test_without_the_key_nothing_is_believed(key: str) -> None:
    directors = Directors(expected=True)
    headers = {KEY_HEADER: key, "X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
    seen = await _seen(directors, headers)
    assert seen["client"] == "127.0.0.1"
    assert not seen["https"]
    assert not seen["here"]
    assert not seen["publisher"]


async def test_a_server_without_a_fleet_has_no_directors() -> None:
    seen = await _seen(Directors(), {KEY_HEADER: "", "X-Forwarded-For": "198.51.100.7"})
    assert seen["client"] == "127.0.0.1"


async def test_addresses_of_directors_are_known_once_they_had_the_key() -> None:
    directors = Directors(expected=True)
    app = web.Application()

    async def vouch(request: web.Request) -> web.Response:
        return web.json_response(directors.vouch_for(request))

    app.router.add_get("/", vouch)
    from ipaddress import ip_address

    here = ip_address("127.0.0.1")
    async with TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()) as client:
        await client.get("/", headers={KEY_HEADER: "wrong"})
        assert not directors.is_known(here)
        await client.get("/", headers={KEY_HEADER: directors.key})
        assert directors.is_known(here)
    assert MAX_KNOWN >= 16
