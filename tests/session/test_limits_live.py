"""Limits for one publisher, one address, and the whole server, over real connections."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from tests.publisher import publishing
from tests.serving import base, error_of, noise, serving, simulated

SDP = {"Content-Type": "application/sdp"}
FROM_A, FROM_B = ({"X-Forwarded-For": f"198.51.100.{n}"} for n in (1, 2))
PROXIED: dict[str, Any] = {"trusted_proxies": ["127.0.0.1"]}


async def test_an_address_gets_its_number_of_sessions_and_others_theirs() -> None:
    settings = {**PROXIED, "max_sessions_per_address": 1}
    async with serving(**settings) as server, aiohttp.ClientSession() as http:
        url = f"{base(server)}/whip"
        async with publishing(base(server), noise(320, 192), headers=FROM_A) as first:
            await first.wait_for_type("detections")  # it counts once it is connected
            async with http.post(url, data="v=0", headers={**SDP, **FROM_A}) as it:
                assert it.status == 429
                assert int(it.headers["Retry-After"]) > 0
                assert (await error_of(it))["code"] == "address_full"
            async with publishing(base(server), noise(320, 192), headers=FROM_B) as second:
                await second.wait_for_type("detections")
            await first.wait_for_answers()
            async with http.delete(first.location) as it:
                assert it.status == 200
        async with http.post(url, data="v=0", headers={**SDP, **FROM_A}) as it:
            assert (await error_of(it))["code"] == "no_video"  # its place is free again


async def test_this_machine_is_exempt_from_limits_by_address() -> None:
    settings = {"max_sessions_per_address": 1, "max_posts_per_minute": 1}
    async with (
        serving(**settings) as server,
        publishing(base(server), noise(320, 192)),
        publishing(base(server), noise(320, 192)) as second,
    ):
        await second.wait_for_type("detections")


async def test_an_address_gets_its_rate_of_offers() -> None:
    settings = {**PROXIED, "max_posts_per_minute": 2}
    async with serving(**settings) as server, aiohttp.ClientSession() as http:
        url = f"{base(server)}/whip"
        for status in (400, 400, 429):
            async with http.post(url, data="v=0", headers={**SDP, **FROM_A}) as it:
                assert it.status == status
        assert 0 < int(it.headers["Retry-After"]) <= 30
        async with http.post(url, data="v=0", headers={**SDP, **FROM_B}) as it:
            assert it.status == 400


async def test_sizes_and_rates_of_messages_are_settings() -> None:
    settings = {"max_sdp_bytes": 8192, "max_message_bytes": 1024, "max_messages_per_s": 10}
    async with serving(**settings) as server, aiohttp.ClientSession() as http:
        async with http.post(f"{base(server)}/whip", data="v=0\r\n" * 2000, headers=SDP) as it:
            assert it.status == 413
            assert "8192 bytes" in (await error_of(it))["message"]
        async with publishing(base(server), noise(320, 192)) as me:
            await me.wait_for_type("detections")
            me.control.send('{"type": "x", "y": "' + "z" * 2000 + '"}')
            error = await me.wait_for(lambda each: each.get("code") == "too_large")
            assert "at most 1024" in error["message"]
            for _ in range(30):
                me.send("ping", t0_ms=1)
            error = await me.wait_for(lambda each: each.get("code") == "too_many")
            assert "over 10 messages" in error["message"]


async def test_a_flood_of_trickled_fragments_is_refused() -> None:
    frag = {"Content-Type": "application/trickle-ice-sdpfrag"}
    async with (
        serving() as server,
        publishing(base(server), noise(320, 192)) as me,
        aiohttp.ClientSession() as http,
    ):
        for _ in range(200):
            async with http.patch(me.location, data="a=end-of-candidates", headers=frag) as it:
                if it.status == 429:
                    break
                assert it.status == 204
        assert it.status == 429
        await me.wait_for_answers()


@pytest.mark.parametrize(
    ("settings", "fps", "words"),
    [
        ({"fps": 10, "end_fps": 10}, 30, "frames a second, and at most 10 are taken"),
        ({"max_bps": 100_000, "end_bps": 100_000}, 30, "Mbit/s, and at most 0.1 are taken"),
    ],
)
async def test_a_publisher_far_above_its_limits_is_ended_and_others_are_not(
    settings: dict[str, Any], fps: int, words: str
) -> None:
    async with (
        serving(**settings) as server,
        publishing(base(server), noise(320, 192), fps=fps) as goes,
        publishing(base(server), [noise(64, 64)[0]], fps=5) as stays,
    ):
        bye = await goes.wait_for_type("bye")
        assert bye["code"] == "excess"
        assert words in bye["message"]
        await stays.wait_for_answers()
        assert not stays.of_type("bye")
        assert [session.id for session in server.sessions] == [stays.location.rsplit("/", 1)[1]]


async def test_new_sessions_are_refused_before_others_would_suffer() -> None:
    slow = simulated(times=30.0)  # over 30 ms a picture at the least: 15 a second take half of it
    async with (
        serving(device=[slow], slo_ms=2000, admission=True) as server,
        publishing(base(server), noise(320, 192)) as me,
        aiohttp.ClientSession() as http,
    ):
        await me.wait_for_answers(5)
        async with http.post(f"{base(server)}/whip", data="v=0", headers=SDP) as it:
            assert it.status == 503
            assert int(it.headers["Retry-After"]) > 0
            error = await error_of(it)
        assert error["code"] == "busy"
        assert "one more" in error["message"]
        await me.wait_for_answers(5)
        async with http.delete(me.location) as it:
            assert it.status == 200
        async with http.post(f"{base(server)}/whip", data="v=0", headers=SDP) as it:
            assert (await error_of(it))["code"] == "no_video"  # there is room again


async def test_admission_can_be_left_to_the_scheduler_alone() -> None:
    settings = {"device": [simulated(times=30.0)], "slo_ms": 2000, "admission": False}
    async with (
        serving(**settings) as server,
        publishing(base(server), noise(320, 192)) as me,
        publishing(base(server), noise(320, 192)),
    ):
        await me.wait_for_type("detections")
        assert len(server.sessions) == 2
