"""Results for operators' programs: who may read them, by which way, and what they get."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import aiohttp
import pytest

from tests.publisher import publishing
from tests.serving import base, error_of, noise, serving

READ, ADMIN = "a-read-token", "an-admin-token"
AS_READER = {"Authorization": f"Bearer {READ}"}


async def events(stream: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        async for line in stream.content:
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:]))
            if len(found) == count:
                return found
    raise AssertionError(f"the stream ended after {len(found)} events")


@pytest.mark.parametrize("ingest", [0, 1])
async def test_all_sessions_results_are_in_one_stream(ingest: int) -> None:
    async with (
        serving(read_token=READ, ingest=ingest) as server,
        publishing(base(server), noise(64, 64), query={"label": "door"}) as door,
        publishing(base(server), noise(96, 64), channels=False) as yard,
        aiohttp.ClientSession(headers=AS_READER) as http,
    ):
        names = {each.location.rpartition("/")[2][:6]: each for each in (door, yard)}
        async with http.get(f"{base(server)}/api/results") as stream:
            assert stream.content_type == "text/event-stream"
            assert stream.headers["Access-Control-Allow-Origin"] == "*"
            found = await events(stream, 1)
            while {each["session"] for each in found} != set(names):
                found += await events(stream, 1)
        assert {each["label"] for each in found if names[each["session"]] is door} == {"door"}
        assert not any(name in json.dumps(found) for name in (door.location, yard.location))


async def test_one_sessions_results_end_with_its_goodbye_and_can_be_continued() -> None:
    async with (
        serving(read_token=READ) as server,
        publishing(base(server), noise(64, 64)) as me,
        publishing(base(server), noise(64, 64)) as other,
        aiohttp.ClientSession(headers=AS_READER) as http,
    ):
        await me.wait_for_type("detections")
        await other.wait_for_type("detections")
        session_id = me.location.rpartition("/")[2]
        url = f"{base(server)}/api/sessions/{session_id[:6]}/results"
        async with http.get(url) as stream:
            [first] = await events(stream, 1)
            assert first["session"] == session_id[:6]
        async with http.get(url, headers={"Last-Event-ID": first["event"]}) as stream:
            session = server.sessions.get(session_id)
            assert session is not None
            await server.sessions.close(session, "test")
            found = await events(stream, 1)
            while found[-1]["type"] != "bye":
                found += await events(stream, 1)
        assert {each["session"] for each in found} == {session_id[:6]}
        numbers = [int(each["event"].partition("-")[2]) for each in (first, *found)]
        assert numbers == sorted(set(numbers))
        async with http.get(url) as it:
            assert (it.status, (await error_of(it))["code"]) == (404, "no_session")


async def test_a_web_socket_gets_the_same_messages() -> None:
    async with (
        serving(read_token=READ) as server,
        publishing(base(server), noise(64, 64)),
        aiohttp.ClientSession(headers=AS_READER) as http,
        http.ws_connect(f"{base(server)}/api/results?classes=person") as socket,
    ):
        message = await socket.receive_json(timeout=30)
        assert message["type"] in ("detections", "dropped")
        await socket.close()


async def test_a_web_socket_that_sends_too_much_is_disconnected() -> None:
    async with (
        serving(read_token=READ) as server,
        aiohttp.ClientSession(headers=AS_READER) as http,
        http.ws_connect(f"{base(server)}/api/results", autoping=False) as socket,
        asyncio.timeout(60),
    ):
        await socket.ping(b"are you there?")
        pong = await socket.receive()
        assert (pong.type, bytes(pong.data)) == (aiohttp.WSMsgType.PONG, b"are you there?")
        with contextlib.suppress(ConnectionError):
            for _ in range(10_000):
                await socket.ping()
        ignored = (aiohttp.WSMsgType.PONG, aiohttp.WSMsgType.PING)
        while (message := await socket.receive()).type in ignored:
            pass
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


@pytest.mark.parametrize(
    ("token", "status"), [(READ, 200), (ADMIN, 200), ("something-else", 401), (None, 401)]
)
async def test_the_read_token_opens_results_and_the_admin_token_too(
    token: str | None, status: int
) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with (
        serving(read_token=READ, admin_token=ADMIN) as server,
        aiohttp.ClientSession(headers=headers) as http,
        http.get(f"{base(server)}/api/results") as it,
    ):
        assert it.status == status
        assert it.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", ["/api/sessions", "/api/workers", "/metrics", "/admin"])
async def test_the_read_token_opens_nothing_else(path: str) -> None:
    async with (
        serving(read_token=READ, admin_token=ADMIN) as server,
        aiohttp.ClientSession(headers=AS_READER) as http,
        http.get(f"{base(server)}{path}") as it,
    ):
        assert it.status == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),  # by a page, with the browser's own authority
        ({"Sec-Fetch-Site": "cross-site", **AS_READER}, 200),
    ],
)
async def test_pages_of_other_origins_need_a_token_of_their_own(
    headers: dict[str, str], status: int
) -> None:
    async with (
        serving(read_token=READ) as server,
        aiohttp.ClientSession() as http,
        http.get(f"{base(server)}/api/results", headers=headers) as it,
    ):
        assert it.status == status
        async with http.options(f"{base(server)}/api/results", headers=headers) as preflight:
            assert preflight.status == 204
            assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]


FOREIGN: list[dict[str, str]] = [  # how browsers tell of a page of another origin
    {"Origin": "https://evil.example"},  # a WebSocket's handshake, and browsers before 2023
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
    {"Origin": "https://localhost:3000", "Sec-Fetch-Site": "same-site"},
    {"Origin": "null"},  # a file, or a frame in a sandbox
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},  # a picture, a script
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},  # a frame
]
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def test_a_foreign_page_reads_nothing_by_being_on_the_servers_machine() -> None:
    async with serving(read_token=READ) as server, aiohttp.ClientSession() as http:
        url = f"{base(server)}/api/results"
        async with http.get(url) as it:  # a program on this machine
            assert it.status == 200
        async with http.ws_connect(url) as socket:
            await socket.close()
        for path in ("/api/results", "/api/sessions/any/results"):
            for foreign in FOREIGN:
                for upgrade in ({}, UPGRADE):
                    headers = {**foreign, **upgrade}
                    async with http.get(base(server) + path, headers=headers) as it:
                        assert it.status == 403
                        assert (await error_of(it))["code"] == "cross_site"
                    for guess in ("Bearer x", "Bearer", "Basic eDp4", ""):
                        headers["Authorization"] = guess
                        async with http.get(base(server) + path, headers=headers) as it:
                            assert it.status in (401, 429)
        async with http.get(url, headers={**FOREIGN[0], **AS_READER}) as it:
            assert it.status == 429  # guessing is limited
        async with http.get(url, headers={"Authorization": "Bearer x"}) as it:
            assert it.status == 200  # and its limit is nobody else's


async def test_a_foreign_page_uses_no_login_and_a_token_of_its_own() -> None:
    foreign = {"Origin": "https://wall.example", "Sec-Fetch-Site": "cross-site"}
    async with (
        serving(read_token=READ, admin_token=ADMIN) as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        async with http.post(f"{base(server)}/admin/login", data={"token": ADMIN}) as it:
            assert it.status == 200
        url = f"{base(server)}/api/results"
        for headers, status in (
            ({}, 200),
            (foreign, 403),
            ({**foreign, "Authorization": "Bearer x"}, 401),
            ({**foreign, **AS_READER}, 200),
            ({**foreign, "Authorization": f"Bearer {ADMIN}"}, 200),
        ):
            async with http.get(url, headers=headers) as it:
                assert it.status == status
                assert it.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("classes", ["unicorn", "person,unicorn", ",", ""])
async def test_a_class_that_is_none_is_named(classes: str) -> None:
    async with (
        serving(read_token=READ) as server,
        aiohttp.ClientSession(headers=AS_READER) as http,
        http.get(f"{base(server)}/api/results", params={"classes": classes}) as it,
    ):
        assert it.status == 400
        error = await error_of(it)
        assert error["code"] == "bad_query"
        assert error["message"].startswith("`classes`: ")
