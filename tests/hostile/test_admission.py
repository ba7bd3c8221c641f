"""Attacks on admission: offers that never connect."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.publisher import FramesTrack, WhipPublisher, publishing
from tests.serving import base, error_of, noise, serving

pytestmark = pytest.mark.hostile

OFFERS = 16
ATTACKER, HONEST = ({"X-Forwarded-For": f"198.51.100.{n}"} for n in (1, 2))


@pytest.mark.parametrize("ingest", [0, 2])
async def test_offers_that_never_connect_keep_nobody_out(ingest: int) -> None:
    """16 offers of one address: 4 wait, the others are refused, and others' sessions are served."""
    idle = WhipPublisher(FramesTrack(noise(320, 192), 15))
    await idle.connection.setLocalDescription(await idle.connection.createOffer())
    offer = idle.connection.localDescription.sdp
    headers = {"Content-Type": "application/sdp", **ATTACKER}
    limits = {"max_sessions": 2, "max_sessions_per_address": 2, "max_half_open_per_address": 4}
    proxied = {"trusted_proxies": ["127.0.0.1"]}
    async with (
        serving(**limits, **proxied, ingest=ingest) as server,
        aiohttp.ClientSession() as http,
    ):
        codes = []
        for _ in range(OFFERS):
            async with http.post(f"{base(server)}/whip", data=offer, headers=headers) as it:
                codes.append("" if it.status == 201 else (await error_of(it))["code"])
        assert codes == 4 * [""] + 12 * ["address_half_open"]
        async with (
            publishing(base(server), noise(320, 192), headers=HONEST) as first,
            publishing(base(server), noise(320, 192), headers=HONEST) as second,
        ):
            await first.wait_for_type("detections")
            await second.wait_for_type("detections")
            async with asyncio.timeout(20):
                while len(server.sessions) > 2:  # noqa: ASYNC110 - they end by themselves
                    await asyncio.sleep(0.05)
            await first.wait_for_answers()
            assert len(server.sessions.connected) == 2
    await idle.connection.close()


async def test_a_publisher_of_pictures_that_take_long_to_decode_is_ended_alone() -> None:
    async with (
        serving(end_decode_share=0.01) as server,
        publishing(base(server), noise(160, 96), fps=5) as honest,
        publishing(base(server), noise(1920, 1080), fps=30) as costly,
    ):
        bye = await costly.wait_for_type("bye")
        assert bye["code"] == "excess"
        assert "decoding" in bye["message"]
        await honest.wait_for_answers()
        assert len(server.sessions) == 1
