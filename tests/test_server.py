"""The server's outside: WHIP, the data channels, event streams, and what goes wrong at each."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
from functools import partial
from typing import Any

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from edge.session.session import Session
from tests.publisher import Publisher, publishing
from tests.serving import base, error_of, local, noise, serving

SDP = {"Content-Type": "application/sdp"}
FRAG = {"Content-Type": "application/trickle-ice-sdpfrag"}
LEGS = ["captured", "received", "decoded", "dispatched", "inferred", "sent"]


async def test_a_publisher_gets_a_welcome_a_hint_and_timed_detections() -> None:
    async with (
        serving() as server,
        publishing(base(server), noise(320, 192), query={"slo_ms": "500", "label": "door"}) as me,
    ):
        me_hello = {"version": 1, "slo_ms": 400, "fps": 15, "label": "gate"}
        await me.wait_for_type("detections")
        me.say("hello", **me_hello)
        welcome = await me.wait_for_type("welcome")
        hint = await me.wait_for_type("hint")
        answer = me.of_type("detections")[-1]
        [session] = local(server)
    assert welcome["session"] == session.id
    assert welcome["slo_ms"] == 400
    assert "yolov4-tiny-416" in welcome["variants"]
    assert "person" in welcome["classes"]
    assert set(hint) == {"type", "seq", "max_edge", "fps", "max_bps", "variant", "reason"}
    assert 0 <= answer["rtp"] < 2**32
    assert answer["variant"].startswith("yolov4-tiny-")
    times = [answer["t"][leg] for leg in LEGS]
    assert times == sorted(times)
    assert session.label == "gate"


async def test_rtp_timestamps_are_the_senders_own() -> None:
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for_answers(6)
        stamps = [each["rtp"] for each in me.of_type("detections")]
    gaps = {(after - before) % 2**32 for before, after in itertools.pairwise(stamps)}
    # 15 fps of 90 kHz, to the tick that the sender's own arithmetic may be off
    assert all(abs(gap - 6000 * round(gap / 6000)) <= 1 and gap < 90_000 for gap in gaps), gaps


async def test_statistics_tell_what_became_of_packets() -> None:
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for_answers(1)
        stats = await me.wait_for(lambda it: it["type"] == "stats" and it["packets"]["frames"] > 0)
    packets = stats["packets"]
    assert packets["packets"] >= packets["frames"]
    assert packets["missed"] == packets["frames_lost"] == 0
    assert stats["edge"] == 320


async def test_clock_messages_are_echoed() -> None:
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for_type("detections")
        me.say("ping", t0_ms=123.5)
        pong = await me.wait_for_type("pong")
    assert pong["t0_ms"] == 123.5
    assert pong["t1_ms"] <= pong["t2_ms"]


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
        for headers in (SDP, {**SDP, "Authorization": "Bearer hus"}):
            async with http.post(url, data="v=0", headers=headers) as it:
                assert it.status == 401
                assert it.headers["WWW-Authenticate"] == "Bearer"
        async with http.post(
            url, data="v=0", headers={**SDP, "Authorization": "Bearer hush"}
        ) as it:
            assert it.status == 400


async def test_a_full_server_says_when_to_come_back() -> None:
    async with (
        serving(max_sessions=1) as server,
        publishing(base(server), noise(320, 192)),
        aiohttp.ClientSession() as http,
        http.post(f"{base(server)}/whip", data="v=0", headers=SDP) as it,
    ):
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
        seen: list[dict[str, Any]] = []
        async with asyncio.timeout(20):
            async for line in stream.content:
                if line.startswith(b"data: "):
                    seen.append(json.loads(line[6:]))
                if seen and seen[-1]["type"] == "detections":
                    break
        assert seen[0]["type"] == "welcome"
        [session] = local(server)
        await server.sessions.close(session, "test")
        async with asyncio.timeout(20):
            await stream.content.read()  # ends, since the session has


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"type": "ping", "t0', "not_json"),
        ("[1]", "not_an_object"),
        ('{"type": "ping", "t0_ms": "soon"}', "bad_field"),
        ('{"type": "hello", "version": 2}', "version"),
        ('{"type": "x", "y": "' + "z" * 60_000 + '"}', "too_large"),
        (b"\xff\xfe", "not_json"),
    ],
)
async def test_bad_messages_cost_an_error_and_nothing_else(text: str | bytes, code: str) -> None:
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for_type("detections")
        me.control.send(text)
        assert (await me.wait_for_type("error"))["code"] == code
        me.say("ping", t0_ms=1)
        await me.wait_for_type("pong")
        assert len(server.sessions) == 1


async def test_a_flood_of_messages_is_cut_short() -> None:
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for_type("detections")
        for _ in range(300):
            me.say("ping", t0_ms=1)
        await me.wait_for(lambda each: each.get("code") == "too_many")
        assert len(me.of_type("pong")) <= 250  # two seconds' worth, and some


async def test_classes_are_filtered() -> None:
    pictures = noise(320, 192)
    async with serving() as server:
        async with publishing(base(server), pictures) as everything:
            await everything.wait_for(lambda each: len(each.get("boxes", ())) > 0)
            found = [box[0] for each in everything.of_type("detections") for box in each["boxes"]]
        async with publishing(base(server), pictures, query={"classes": found[0]}) as me:
            await me.wait_for(lambda each: len(each.get("boxes", ())) > 0)
            await me.wait_for_answers(3)
            names = {box[0] for each in me.of_type("detections") for box in each["boxes"]}
    assert names == {found[0]}


async def test_a_publisher_cannot_ask_for_more_than_the_operator_gives() -> None:
    async with serving(fps=10) as server, publishing(base(server), noise(320, 192), fps=30) as me:
        me_hello = {"version": 1, "fps": 240}
        await me.wait_for_type("detections")
        me.say("hello", **me_hello)
        await me.wait_for_type("welcome")
        hint = await me.wait_for_type("hint")
        paced = await me.wait_for(lambda each: each.get("reason") == "paced")
    assert hint["fps"] <= 10
    assert paced["type"] == "dropped"


async def test_sizes_may_change_in_mid_stream() -> None:
    """Odd, tiny and 4K pictures: each answered or refused in words, none costs the session."""
    async with (
        serving(slo_ms=2000) as server,
        publishing(base(server), noise(320, 192), fps=10) as me,
    ):
        await me.wait_for_type("detections")
        [session] = local(server)
        for width, height in ((641, 273), (16, 16), (320, 192)):
            me.track.frames[:] = noise(width, height)
            even = (width - width % 2, height - height % 2)  # an encoder may cut odd sides
            async with asyncio.timeout(20):
                while session.size not in ((width, height), even):
                    await me.wait_for_answers()
            await me.wait_for_answers(2)
        me.track.frames[:] = noise(3840, 2160, count=1)
        error = await me.wait_for(lambda each: each["type"] == "error", timeout=60)
        assert error["code"] == "too_large"
        assert "2088960 pixels" in error["message"]
        assert (await me.wait_for(lambda each: each.get("reason") == "too_large"))["rtp"] >= 0
        me.track.frames[:] = noise(320, 192)
        await me.wait_for_answers(1, timeout=60)


def _more_than(publisher: Publisher, count: int, _: dict[str, Any]) -> bool:
    return len(publisher.messages) > count


async def test_a_publisher_that_vanishes_is_let_go_and_others_stay() -> None:
    async with (
        serving(media_timeout_s=3.0) as server,
        publishing(base(server), noise(320, 192)) as stays,
        publishing(base(server), noise(320, 192)) as goes,
    ):
        await stays.wait_for_type("detections")
        await goes.wait_for_type("detections")
        gone = server.sessions.get(goes.location.rsplit("/", 1)[1])
        assert gone is not None
        goes.track.running.clear()
        async with asyncio.timeout(20):
            while gone in list(server.sessions):
                seen = len(stays.messages)
                await stays.wait_for(partial(_more_than, stays, seen))
        assert isinstance(gone, Session)
        assert gone.state == "closed"
        assert len(server.sessions) == 1


async def test_a_killed_worker_comes_back_and_sessions_live_on() -> None:
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for_type("detections")
        pid = server.devices.status[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await me.wait_for(lambda each: each["type"] == "dropped")
        await me.wait_for_answers()
        assert server.devices.status[0].pid != pid
        assert len(server.sessions) == 1


async def test_the_server_says_goodbye() -> None:
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for_type("detections")
        await server.sessions.close_all("the server is shutting down")
        bye = await me.wait_for_type("bye")
        assert "shutting down" in bye["message"]
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{base(server)}/whip", data="v=0", headers=SDP) as it,
        ):
            assert it.status == 503
            assert (await error_of(it))["code"] == "draining"


async def test_each_frame_that_came_ends_in_one_count() -> None:
    async with serving() as server, publishing(base(server), noise(320, 192), fps=30) as me:
        await me.wait_for_answers(30)
        [session] = local(server)
        await server.sessions.close(session, "test")
    told = me.of_type("detections") + me.of_type("dropped")
    stamps = [each["rtp"] for each in told]
    assert len(stamps) == len(set(stamps))
    in_the_pipe = session.peer.counts.frames - sum(session.outcomes.values())
    assert 0 <= in_the_pipe <= 4  # on their way to the decoder, or in a worker, at the end


async def test_the_page_and_its_headers() -> None:
    async with serving() as server, aiohttp.ClientSession() as http:
        async with http.get(server.url) as it:
            assert it.status == 200
            assert "default-src 'self'" in it.headers["Content-Security-Policy"]
            assert "Cross-Origin-Opener-Policy" not in it.headers  # a complaint over plain http
            assert '"whip": "/whip"' in await it.text()
        async with http.get(f"{base(server)}/ca.crt") as it:
            assert it.status == 404
        async with http.get(f"{base(server)}/../edge/config.py") as it:
            assert it.status == 404
