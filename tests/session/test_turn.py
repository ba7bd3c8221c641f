"""TURN credentials: they expire, only publishers get them, and a real coturn accepts them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiortc import RTCIceServer

from edge.config import ConfigError, IceServer, load
from edge.session import turn
from tests.coturn import SECRET, coturn, turnserver
from tests.publisher import FramesTrack, WhipPublisher
from tests.serving import base, noise, serving


def test_credentials_follow_the_convention() -> None:
    # printf 1700000000:door | openssl dgst -sha1 -hmac north -binary | base64
    assert turn.credentials("north", "door", 1_699_996_400.9, 3600) == (
        "1700000000:door",
        "nUJ5U8y/THqDMahJE5cLi8ZxhbU=",
    )


def test_only_turn_servers_without_credentials_get_them_minted() -> None:
    settings = load(
        token="hush",
        turn_secret="north",
        ice_servers=[
            {"urls": ["stun:192.0.2.1"]},
            {"urls": ["turn:192.0.2.2"]},
            {"urls": ["turns:192.0.2.3"], "username": "me", "credential": "fixed"},
        ],
    )
    stun, minted, fixed = turn.ice_servers(settings, "door", 1_699_996_400.0)
    assert (stun.username, stun.credential) == (None, None)
    assert minted.username == "1700000000:door"
    assert fixed == settings.ice_servers[2]
    assert turn.links([stun, minted]) == [
        '<stun:192.0.2.1>; rel="ice-server"',
        '<turn:192.0.2.2>; rel="ice-server"; username="1700000000:door"; '
        'credential="nUJ5U8y/THqDMahJE5cLi8ZxhbU="; credential-type="password"',
    ]


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ({"urls": ["turn:192.0.2.2"]}, "needs username and credential, or turn_secret"),
        ({"urls": ["turn:192.0.2.2"], "username": "me"}, "given together"),
        ({"urls": []}, "at least one URL"),
    ],
)
def test_a_turn_server_nobody_could_use_is_named(server: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(ice_servers=[server])


async def test_only_publishers_get_credentials() -> None:
    settings: dict[str, Any] = {
        "token": "hush",
        "turn_secret": SECRET,
        "ice_servers": [IceServer(urls=["turn:127.0.0.1:9"])],
    }
    async with serving(**settings) as server, aiohttp.ClientSession() as http:
        async with http.options(f"{base(server)}/whip") as it:
            assert "Link" not in it.headers
        bearer = {"Authorization": "Bearer hush"}
        async with http.options(f"{base(server)}/whip", headers=bearer) as it:
            [link] = it.headers.getall("Link")
        async with http.get(server.url) as it:
            page = await it.text()
    assert link.startswith('<turn:127.0.0.1:9>; rel="ice-server"; username="')
    assert SECRET not in link + page
    assert "turn:127.0.0.1" not in page
    assert '"ask_ice": true' in page


def test_turn_credentials_for_anybody_must_be_accepted_by_the_operator() -> None:
    servers = [{"urls": ["turn:192.0.2.2"]}]
    with pytest.raises(ConfigError, match=r"token is not set: set token .* turn_without_token"):
        load(turn_secret=SECRET, ice_servers=servers)
    load(turn_secret=SECRET, ice_servers=servers, token="hush")
    load(turn_secret=SECRET, ice_servers=servers, turn_without_token=True)
    load(ice_servers=[{"urls": ["stun:192.0.2.2"]}])  # has no credentials


@pytest.mark.parametrize(
    ("headers", "links"),
    [
        ({}, 2),
        ({"Origin": "https://evil.example"}, 1),
        ({"Origin": "https://[::1"}, 1),
        ({"Sec-Fetch-Site": "same-site"}, 1),
        ({"Sec-Fetch-Site": "same-origin"}, 2),
    ],
)
async def test_other_origins_get_no_credentials_without_a_token(
    headers: dict[str, str], links: int
) -> None:
    servers = [IceServer(urls=["stun:127.0.0.1:9"]), IceServer(urls=["turn:127.0.0.1:9"])]
    settings = {"turn_secret": SECRET, "ice_servers": servers, "turn_without_token": True}
    async with (
        serving(**settings) as server,
        aiohttp.ClientSession() as http,
        http.options(f"{base(server)}/whip", headers=headers) as it,
    ):
        assert len(it.headers.getall("Link")) == links
        assert ("username" in str(it.headers.getall("Link"))) == (links == 2)


async def _relay_of(http: aiohttp.ClientSession, url: str) -> RTCIceServer:
    """The relay and its credentials, as the endpoint's OPTIONS has them."""
    async with http.options(f"{url}/whip") as it:
        link = it.headers["Link"]
    words = link.replace(">", '"').replace("<", '"').split('"')
    return RTCIceServer(words[1], username=words[5], credential=words[7])


def _nominated(publisher: WhipPublisher) -> tuple[str, str]:
    """The kinds of address at both ends of the path that media takes."""
    [transport] = {
        sender.transport.transport for sender in publisher.connection.getSenders() if sender
    }
    pair = transport._connection._nominated[1]
    return pair.local_candidate.type, pair.remote_candidate.type


@coturn
async def test_a_publisher_relays_through_coturn_by_its_credentials(
    tmp_path: Path,
) -> None:
    async with turnserver(tmp_path) as url, aiohttp.ClientSession() as http:
        servers = [IceServer(urls=[url])]
        async with serving(
            turn_secret=SECRET, ice_servers=servers, slo_ms=1000, turn_without_token=True
        ) as server:
            relay = await _relay_of(http, base(server))
            me = WhipPublisher(FramesTrack(noise(320, 192), 15), relay=relay)
            try:
                await me.publish(http, base(server))
                await me.wait_for_type("detections")
                assert _nominated(me)[0] == "relay"
                assert " typ relay " in me.connection.remoteDescription.sdp  # the server's own
                assert f"<{url}>" in me.response["Link"]
                assert SECRET not in me.response["Link"]
            finally:
                await me.connection.close()


@coturn
async def test_coturn_refuses_expired_credentials(tmp_path: Path) -> None:
    async with turnserver(tmp_path) as url:
        for now_s, relayed in ((time.time() - 7200.0, False), (time.time(), True)):
            username, password = turn.credentials(SECRET, "test", now_s, 3600)
            relay = RTCIceServer(url, username, password)
            me = WhipPublisher(FramesTrack(noise(320, 192), 15), relay=relay)
            try:
                await me.connection.setLocalDescription(await me.connection.createOffer())
                assert (" typ relay " in me.connection.localDescription.sdp) == relayed
            finally:
                await me.connection.close()
