"""SCTP as a weapon: the attacker's session ends, two publishers beside it go on."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable, Iterator

import aiohttp
import pytest

from tests.hostile.attacker import SctpAttacker
from tests.publisher import publishing
from tests.rtc.guard.sctp_packets import chunk, data, forward_tsn, sack
from tests.serving import base, noise, serving

pytestmark = pytest.mark.hostile

Attack = Callable[[SctpAttacker], Iterator[list[bytes]]]


def _gap_blocks(me: SctpAttacker) -> Iterator[list[bytes]]:
    for _ in range(40):
        yield [sack(me.peer_tsn, [(1, 65535)] * 280)]


def _empty_fragments(me: SctpAttacker) -> Iterator[list[bytes]]:
    first = me.next_tsn
    for number in range(100):
        yield [data(first + 32 * number + n, user_data=b"", flags=0) for n in range(32)]


def _behind_a_hole(me: SctpAttacker) -> Iterator[list[bytes]]:
    first = me.next_tsn + 1
    for number in range(400):
        yield [data(first + 32 * number + n, flags=0) for n in range(32)]


def _streams(me: SctpAttacker) -> Iterator[list[bytes]]:
    for number in range(218):
        yield [forward_tsn(me.next_tsn, list(range(300 * number, 300 * number + 300)))]


def _endless_parameter(me: SctpAttacker) -> Iterator[list[bytes]]:
    yield [chunk(4, struct.pack("!HH", 1, 0))]


def _heartbeats(me: SctpAttacker) -> Iterator[list[bytes]]:
    for _ in range(40):
        yield [chunk(4, struct.pack("!HH", 1, 4))] * 140


def _restarts(me: SctpAttacker) -> Iterator[list[bytes]]:
    for _ in range(40):
        yield [chunk(1, struct.pack("!LLHHL", 1, 1 << 17, 2, 2, 5))]


ATTACKS: dict[str, Attack] = {
    "gap blocks": _gap_blocks,
    "empty fragments": _empty_fragments,
    "behind a hole": _behind_a_hole,
    "FORWARD-TSN of all streams": _streams,
    "a parameter of length 0": _endless_parameter,
    "heartbeats": _heartbeats,
    "INIT again": _restarts,
}


PATIENT = {"slo_ms": "5000"}  # whether others are answered is the question, not how soon


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attacker_is_ended_and_others_go_on(name: str) -> None:
    async with (
        serving() as server,
        publishing(base(server), noise(320, 192), query=PATIENT) as first,
        publishing(base(server), noise(320, 192), query=PATIENT) as second,
        publishing(base(server), noise(64, 64)) as attacker,
        aiohttp.ClientSession() as http,
    ):
        for each in (first, second, attacker):
            await each.wait_for_type("detections")
        association = SctpAttacker(attacker)
        for chunks in ATTACKS[name](association):
            if not await association.send(*chunks):
                break
            await asyncio.sleep(0)
        bye = await attacker.wait_for_type("bye")
        assert bye["code"] == "abuse"
        assert bye["message"].startswith("forbidden packets were sent: ")
        async with http.get(f"{base(server)}/healthz") as response:
            assert response.status == 200
        await first.wait_for_answers(5)
        await second.wait_for_answers(5)
        assert not first.of_type("bye") + second.of_type("bye")
        assert len(server.sessions) == 2


async def test_packets_without_media_count_towards_the_rate() -> None:
    """Heartbeats that keep every rule of SCTP: 16 kbit each, most of them dropped unread."""
    heartbeat = chunk(4, struct.pack("!HH", 1, 1004) + bytes(1000))
    async with (
        serving(end_bps=1_000_000, max_bps=1_000_000) as server,
        publishing(base(server), noise(64, 64)) as honest,
        publishing(base(server), noise(64, 64)) as attacker,
        aiohttp.ClientSession() as http,
        http.get(f"{attacker.location}/results") as stream,
    ):
        await honest.wait_for_type("detections")
        await attacker.wait_for_type("detections")
        association = SctpAttacker(attacker)
        for number in range(20_000):
            if not await association.send(heartbeat):
                break
            if number % 100 == 0:  # 800 kbit at once: above the rate on any machine
                await asyncio.sleep(0)
        # By HTTP: on a flooded association the message may not get through.
        async with asyncio.timeout(60.0):
            events = (await stream.content.read()).decode().splitlines()
        bye = json.loads(next(event for event in events if '"bye"' in event).partition(":")[2])
        assert bye["code"] == "excess"
        await honest.wait_for_answers(3)
