"""WHIP: a session's resource from offer to end, and refused requests."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from typing import Any

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from edge.api.access.auth import WRONG_TOKENS_PER_MINUTE
from edge.rtc.transport import aiortc_adapter
from edge.scheduling.admission.admission_control import Overload
from tests.descriptors import no_descriptor_left
from tests.publisher import publishing
from tests.serving import base, error_of, local, noise, serving

SDP = {"Content-Type": "application/sdp"}
FRAG = {"Content-Type": "application/trickle-ice-sdpfrag"}


async def test_whip_resource_lives_and_ends() -> None:
    async with serving() as server, aiohttp.ClientSession() as http:
        async with publishing(base(server), noise(320, 192)) as me:
            assert me.response["ETag"].startswith('"')
            assert me.response["Content-Type"] == "application/sdp"
            async with http.patch(me.location, data="", headers={"Content-Type": "a/b"}) as it:
                assert it.status == 415
                assert (await error_of(it))["code"] == "media_type"
            async with http.patch(me.location, data="x", headers={**FRAG, "If-Match": '"?"'}) as it:
                assert it.status == 412
            headers = {**FRAG, "If-Match": me.response["ETag"]}
            restart = "a=ice-ufrag:other\r\na=mid:0\r\na=end-of-candidates\r\n"
            async with http.patch(me.location, data=restart, headers=headers) as it:
                assert it.status == 422
                assert (await error_of(it))["code"] == "ice_restart"
            offer = me.connection.localDescription.sdp
            [ufrag] = {line for line in offer.splitlines() if line.startswith("a=ice-ufrag:")}
            fragment = f"{ufrag}\r\na=mid:0\r\na=end-of-candidates\r\n"
            async with http.patch(me.location, data=fragment, headers=headers) as it:
                assert it.status == 204
            async with http.delete(me.location) as it:
                assert it.status == 200
            assert len(server.sessions) == 0
            async with http.delete(me.location) as it:
                assert it.status == 404
                assert (await error_of(it))["code"] == "no_session"
        async with http.options(f"{base(server)}/whip") as it:
            assert it.status == 204
            assert it.headers["Access-Control-Allow-Origin"] == "*"
            assert "POST" in it.headers["Access-Control-Allow-Methods"]
            assert it.headers["Accept-Post"] == "application/sdp"
        async with http.get(f"{base(server)}/whip") as it:
            assert it.status == 405
            assert await error_of(it)


async def _audio_offer() -> str:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("audio", direction="sendonly")
    await connection.setLocalDescription(await connection.createOffer())
    sdp: str = connection.localDescription.sdp
    await connection.close()
    return sdp


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"hello, this is no SDP", 400),
        (b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", 400),
        (b"v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 50, 400),
        (bytes(range(256)), 400),
        (b"v=0\r\n" + b"a=x\r\n" * 200_000, 413),
    ],
)
async def test_bad_sdp_is_refused_in_words(body: bytes, status: int) -> None:
    async with serving() as server, aiohttp.ClientSession() as http:
        async with http.post(f"{base(server)}/whip", data=body, headers=SDP) as it:
            assert it.status == status
            error = await error_of(it)
            assert error["message"]
        assert len(server.sessions) == 0
        async with http.get(f"{base(server)}/healthz") as it:
            assert it.status == 200


async def test_a_body_that_cannot_be_unpacked_is_refused() -> None:
    headers = {**SDP, "Content-Encoding": "gzip"}
    async with (
        serving() as server,
        aiohttp.ClientSession() as http,
        http.post(f"{base(server)}/whip", data=b"no gzip", headers=headers) as it,
    ):
        assert it.status == 400
        assert (await error_of(it))["code"] == "bad_body"


async def test_audio_alone_is_refused() -> None:
    async with serving() as server, aiohttp.ClientSession() as http:
        offer = await _audio_offer()
        async with http.post(f"{base(server)}/whip", data=offer, headers=SDP) as it:
            assert it.status == 400
            assert "video" in (await error_of(it))["message"]
        assert len(server.sessions) == 0


@pytest.mark.parametrize(
    "query",
    [
        {"slo_ms": "fast"},
        {"slo_ms": "19"},
        {"slo_ms": "nan"},
        {"label": "x" * 65},
        {"label": "a\nb"},
        {"classes": "unicorn"},
        {"classes": ","},
    ],
)
async def test_bad_query_values_are_named(query: dict[str, str]) -> None:
    async with (
        serving() as server,
        aiohttp.ClientSession() as http,
        http.post(f"{base(server)}/whip", data="v=0", headers=SDP, params=query) as it,
    ):
        assert it.status == 400
        error = await error_of(it)
        assert error["code"] == "bad_query"
        assert f"`{next(iter(query))}`" in error["message"]


async def test_a_token_is_wanted_where_one_is_set() -> None:
    async with serving(token="hush") as server, aiohttp.ClientSession() as http:
        url = f"{base(server)}/whip"
        async with http.post(url, data="v=0", headers=SDP) as it:
            assert it.status == 401
            assert it.headers["WWW-Authenticate"] == "Bearer"
            assert (await error_of(it))["message"] == "this server wants a bearer token"
        for given in ("Bearer hus", "Basic aHVzaA==", "hush"):
            headers = {**SDP, "Authorization": given}
            async with http.post(url, data="v=0", headers=headers) as it:
                assert it.status == 401
                assert it.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
                error = await error_of(it)
                assert error["code"] == "unauthorized"
                assert error["message"] == "this server does not know that token"
        async with http.post(
            url, data="v=0", headers={**SDP, "Authorization": "Bearer hush"}
        ) as it:
            assert it.status == 400


async def test_guesses_at_the_publishing_token_are_limited_by_address() -> None:
    settings = {"token": "hush", "trusted_proxies": ["127.0.0.1"], "max_posts_per_minute": 1000}
    async with serving(**settings) as server, aiohttp.ClientSession() as http:
        url = f"{base(server)}/whip"

        async def status(method: str, path: str, token: str | None, address: str) -> int:
            headers = {**SDP, "X-Forwarded-For": address}
            if token is not None:
                headers["Authorization"] = f"Bearer {token}"
            async with http.request(method, url + path, data="v=0", headers=headers) as it:
                if it.status == 429:
                    assert int(it.headers["Retry-After"]) > 0
                    assert (await error_of(it))["code"] == "too_many"
                return it.status

        for _ in range(30):  # none is no guess
            assert await status("POST", "", None, "198.51.100.1") == 401
        for number in range(WRONG_TOKENS_PER_MINUTE):
            method, path = ("POST", "") if number % 2 else ("DELETE", "/nothing")
            assert await status(method, path, f"guess {number}", "198.51.100.1") == 401
        for token in ("guess", "hush"):  # the right one too: no answer tells them apart
            assert await status("POST", "", token, "198.51.100.1") == 429
            assert await status("DELETE", "/nothing", token, "198.51.100.1") == 429
        assert await status("POST", "", "hush", "198.51.100.2") == 400
        assert await status("POST", "", None, "198.51.100.1") == 401


async def test_guesses_of_others_at_its_address_end_no_session() -> None:
    settings = {"token": "hush", "trusted_proxies": ["127.0.0.1"]}
    mine = {"Authorization": "Bearer hush", "X-Forwarded-For": "198.51.100.1"}
    async with (
        serving(**settings) as server,
        publishing(base(server), noise(320, 192), headers=mine) as me,
        aiohttp.ClientSession() as http,
    ):
        for _ in range(2 * WRONG_TOKENS_PER_MINUTE):
            wrong = {**mine, "Authorization": "Bearer guess"}
            async with http.options(f"{base(server)}/whip", headers=wrong) as it:
                assert it.status == 204
        await me.wait_for_answers()
        async with http.delete(me.location, headers=mine) as it:
            assert it.status == 200
        sdp = {**mine, **SDP}
        async with http.post(f"{base(server)}/whip", data="v=0", headers=sdp) as it:
            assert it.status == 429


async def test_a_busy_server_says_with_which_objective_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as server, aiohttp.ClientSession() as http:
        monkeypatch.setattr(
            server.capacity,
            "overload",
            lambda slo_ms: Overload("no room", 250.0 if slo_ms == 100.0 else None),
        )
        for slo_ms, more in (("100", {"slo_ms": 250.0}), ("150", {})):
            url = f"{base(server)}/whip?slo_ms={slo_ms}"
            async with http.post(url, data="v=0", headers=SDP) as it:
                assert it.status == 503
                assert int(it.headers["Retry-After"]) > 0
                error = (await it.json())["error"]
                assert error.pop("message").startswith("no room")
                assert error == {"code": "busy", **more}


async def test_a_full_server_says_when_to_come_back() -> None:
    async with (
        serving(max_sessions=1) as server,
        publishing(base(server), noise(320, 192)) as me,
        aiohttp.ClientSession() as http,
    ):
        await me.wait_for_type("detections")  # it counts once it is connected
        async with http.post(f"{base(server)}/whip", data="v=0", headers=SDP) as it:
            assert it.status == 503
            assert int(it.headers["Retry-After"]) > 0
            assert (await error_of(it))["code"] == "full"


async def test_event_stream_for_publishers_without_channels() -> None:
    async with (
        serving() as server,
        publishing(base(server), noise(320, 192), channels=False) as me,
        aiohttp.ClientSession() as http,
        http.get(f"{me.location}/results") as stream,
    ):
        assert stream.content_type == "text/event-stream"
        events: list[dict[str, Any]] = []
        async with asyncio.timeout(20):
            async for line in stream.content:
                if line.startswith(b"data: "):
                    events.append(json.loads(line[6:]))
                if events and events[-1]["type"] == "detections":
                    break
        assert events[0]["type"] == "welcome"
        [session] = local(server)
        await server.sessions.close(session, "test")
        async with asyncio.timeout(20):
            await stream.content.read()  # ends, since the session has


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EADDRINUSE, "no_ports"),
        (errno.EADDRNOTAVAIL, "no_ports"),
        (errno.EMFILE, "no_descriptors"),
        (errno.ENOBUFS, "no_descriptors"),
    ],
)
async def test_a_shortage_of_the_servers_is_503_and_names_no_address(
    monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    async def fail(*_: object) -> None:
        raise OSError(number, "10.0.0.7")

    monkeypatch.setattr(aiortc_adapter, "_bind", fail)
    offer = await _audio_offer()
    async with serving() as server, aiohttp.ClientSession() as http:
        offer = offer.replace("m=audio", "m=video").replace("opus/48000/2", "VP8/90000")
        async with http.post(f"{base(server)}/whip", data=offer, headers=SDP) as it:
            assert it.status == 503
            assert int(it.headers["Retry-After"]) > 0
            error = await error_of(it)
        assert len(server.sessions) == 0
    assert error["code"] == code
    assert "10.0.0.7" not in error["message"]


@pytest.mark.parametrize("ingest", [0, 1])
async def test_a_process_without_a_descriptor_left_is_no_fault_of_the_offers(ingest: int) -> None:
    """Of each kind that a session opens, from its first: the limit is the lowest free one."""
    offer = await _audio_offer()
    offer = offer.replace("m=audio", "m=video").replace("opus/48000/2", "VP8/90000")
    async with serving(ingest=ingest) as server, aiohttp.ClientSession() as http:
        async with http.get(f"{base(server)}/healthz") as it:
            assert it.status == 200  # the connection is kept
        pid = os.getpid() if server.ingests is None else server.ingests.status[0].pid
        assert pid is not None
        for more in range(4):
            with no_descriptor_left([pid], more):
                async with http.post(f"{base(server)}/whip", data=offer, headers=SDP) as it:
                    status, error = it.status, await error_of(it) if it.status != 201 else {}
            if status == 201:
                break
            assert (status, error["code"]) == (503, "no_descriptors"), (more, error)
            assert len(server.sessions) == 0
        assert more > 0


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("*", 204),
        (" * ", 204),
        ("{tag}", 204),
        ('"other", {tag}', 204),
        ('"other" , "a,b",{tag}, "more"', 204),
        ('"other"', 412),
        ('"other", "another"', 412),
        ("W/{tag}", 412),  # compared strongly (RFC 9110, section 13.1.1)
        ('W/"x", {tag}', 204),
        ("{bare}", 412),
        ("", 204),
    ],
)
async def test_if_match_is_a_list_of_tags(given: str, status: int) -> None:
    async with (
        serving() as server,
        aiohttp.ClientSession() as http,
        publishing(base(server), noise(320, 192)) as me,
    ):
        tag = me.response["ETag"]
        offer = me.connection.localDescription.sdp
        [ufrag] = {line for line in offer.splitlines() if line.startswith("a=ice-ufrag:")}
        fragment = f"{ufrag}\r\na=mid:0\r\na=end-of-candidates\r\n"
        match = given.format(tag=tag, bare=tag.strip('"'))
        async with http.patch(
            me.location, data=fragment, headers={**FRAG, "If-Match": match}
        ) as it:
            assert it.status == status
        if status == 412:
            async with http.delete(me.location, headers={"If-Match": match}) as it:
                assert it.status == 412
            assert len(server.sessions) == 1


async def test_a_sessions_url_is_authority_enough_to_read_and_not_to_end() -> None:
    """`EventSource` can send no token."""
    token = {"Authorization": "Bearer hush"}
    async with (
        serving(token="hush") as server,
        aiohttp.ClientSession() as http,
        publishing(base(server), noise(320, 192), channels=False, headers=token) as me,
    ):
        async with http.get(f"{me.location}/results") as stream:
            assert stream.status == 200
            async with asyncio.timeout(60):
                while b'"welcome"' not in await stream.content.readline():
                    pass
        async with http.get(me.location) as it:
            assert it.status == 200
        for method, headers in (("DELETE", {}), ("PATCH", FRAG)):
            async with http.request(method, me.location, headers=headers) as it:
                assert it.status == 401
        async with http.get(f"{base(server)}/whip/guessed/results") as it:
            assert it.status == 404


async def test_a_session_tells_whether_it_lives() -> None:
    async with serving() as server, aiohttp.ClientSession() as http:
        async with publishing(base(server), noise(320, 192)) as me:
            async with http.get(me.location) as it:
                assert it.status == 200
                assert it.headers["ETag"] == me.response["ETag"]
                assert (await it.json())["state"] in ("connecting", "live")
            async with http.delete(f"{me.location}/") as it:
                assert it.status == 200
            async with http.get(me.location) as it:
                assert it.status == 410
                assert (await error_of(it))["code"] == "ended"
        async with http.get(f"{base(server)}/whip/never") as it:
            assert it.status == 404


@pytest.mark.parametrize("path", ["/whip", "/whip/"])
@pytest.mark.parametrize(
    "content_type", ["application/sdp", "Application/SDP", 'application/sdp; charset="utf-8"']
)
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"])
async def test_what_senders_write_in_other_ways_is_understood(
    path: str, content_type: str, before: bytes
) -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("video", direction="sendonly")
    await connection.setLocalDescription(await connection.createOffer())
    offer = before + connection.localDescription.sdp.encode()
    await connection.close()
    async with (
        serving() as server,
        aiohttp.ClientSession() as http,
        http.post(base(server) + path, data=offer, headers={"Content-Type": content_type}) as it,
    ):
        assert it.status == 201, await it.text()
        assert it.headers["Location"].startswith("/whip/")
        async with http.options(base(server) + path) as options:
            assert options.headers["Accept-Post"] == "application/sdp"


@pytest.mark.parametrize("ingest", [1, 2])
async def test_a_session_that_replaces_another_takes_it_over(ingest: int) -> None:
    query = {"label": "door", "slo_ms": "700", "classes": "car"}
    async with (
        serving(ingest=ingest, max_sessions=1) as server,
        aiohttp.ClientSession() as http,
        publishing(base(server), noise(320, 192), query=query) as old,
    ):
        await old.wait_for_answers()
        replaces = {"replaces": old.location.rsplit("/", 1)[-1]}
        async with publishing(base(server), noise(320, 192), query=replaces) as new:
            bye = await old.wait_for_type("bye")
            assert bye["code"] == "replaced"
            assert new.of_type("detections")
            async with http.get(old.location) as it:
                assert it.status == 410
            [view] = [each.view(0.0) for each in server.sessions]
            assert (view.label, view.slo_ms) == ("door", 700.0)
            async with http.post(
                f"{base(server)}/whip", params={"replaces": "nobody"}, data="v=0", headers=SDP
            ) as it:
                assert it.status == 400
                assert "`replaces`" in (await error_of(it))["message"]
