"""ICE as a weapon: where the server sends to, what it learns, and what may not raise."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import aiohttp
import pytest
from aioice import stun

from edge.rtc.guard.transport_guard import MAX_ADDRESSES
from edge.rtc.sdp import read_candidates
from tests.publisher import FramesTrack, WhipPublisher, publishing
from tests.serving import base, local, noise, serving

pytestmark = pytest.mark.hostile

FROM_AFAR = {"X-Forwarded-For": "198.51.100.1", "Content-Type": "application/sdp"}


@contextmanager
def _listening(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((address, 0))
        listener.setblocking(False)
        yield listener


async def test_an_offer_does_not_make_the_server_send_into_its_host() -> None:
    settings: dict[str, Any] = {"trusted_proxies": ["127.0.0.1"], "ice_allow": ["127.0.0.2/32"]}
    publisher = WhipPublisher(FramesTrack(noise(64, 64), 5))
    addresses = ("127.0.0.1", "127.0.0.53", "127.0.0.2")
    try:
        async with serving(**settings) as server, aiohttp.ClientSession() as http:
            with ExitStack() as stack:
                victims = [stack.enter_context(_listening(each)) for each in addresses]
                await publisher.connection.setLocalDescription(
                    await publisher.connection.createOffer()
                )
                lines = [
                    line
                    for line in publisher.connection.localDescription.sdp.splitlines()
                    if not line.startswith("a=candidate:")
                ]
                for number, victim in enumerate(victims):
                    host, port = victim.getsockname()
                    priority = 2_130_706_431 - 1000 * number  # the allowed one comes last
                    lines.append(f"a=candidate:{number} 1 udp {priority} {host} {port} typ host")
                sdp = "\r\n".join(lines) + "\r\n"
                async with http.post(f"{base(server)}/whip", data=sdp, headers=FROM_AFAR) as it:
                    assert it.status == 201
                loop = asyncio.get_running_loop()
                async with asyncio.timeout(60):
                    for _ in range(3):
                        await loop.sock_recv(victims[2], 2048)
                for victim in victims[:2]:
                    with pytest.raises(BlockingIOError):
                        victim.recv(2048)
    finally:
        await publisher.connection.close()


def _check(answer: str, offer: str, *, priority: bool) -> bytes:
    """An authenticated check of a publisher, made of the two descriptions."""

    def value(sdp: str, name: str) -> str:
        return next(line[len(name) :] for line in sdp.splitlines() if line.startswith(name))

    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    fragments = value(answer, "a=ice-ufrag:"), value(offer, "a=ice-ufrag:")
    request.attributes["USERNAME"] = ":".join(fragments)
    if priority:
        request.attributes["PRIORITY"] = 1
    request.attributes["ICE-CONTROLLING"] = 1 << 63
    request.add_message_integrity(value(answer, "a=ice-pwd:").encode())
    return bytes(request)


@pytest.mark.parametrize("priority", [True, False])
async def test_many_sources_are_not_learnt_and_nothing_raises(priority: bool) -> None:
    troubles: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    async with (
        serving() as server,
        publishing(base(server), noise(320, 192)) as honest,
        publishing(base(server), noise(320, 192)) as attacker,
    ):
        await honest.wait_for_type("detections")
        await attacker.wait_for_type("detections")
        connection = attacker.connection
        answer, offer = connection.remoteDescription.sdp, connection.localDescription.sdp
        check = _check(answer, offer, priority=priority)
        targets = [each for each in read_candidates(answer) if ":" not in each.address]
        for _ in range(300):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
                source.sendto(check, (targets[0].address, targets[0].port))
            await asyncio.sleep(0)
        await honest.wait_for_answers(3)
        await attacker.wait_for_answers(3)  # it hurt nobody, itself included
        for session in local(server):
            peer: Any = session.peer
            for transport in peer._transport._ice:
                assert len(transport._connection.remote_candidates) <= 2 * MAX_ADDRESSES
                assert len(transport._connection._check_list) <= 4 * MAX_ADDRESSES
            assert session.peer.suppressed_errors == 0
    assert not troubles


async def test_strangers_cannot_end_a_session_that_is_not_theirs() -> None:
    async with (
        serving(end_bps=1_000_000, max_bps=1_000_000) as server,
        publishing(base(server), noise(320, 192)) as honest,
    ):
        await honest.wait_for_type("detections")
        targets = read_candidates(honest.connection.remoteDescription.sdp)
        [target] = [each for each in targets if ":" not in each.address][:1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for number in range(3000):
                first = (b"\x00", b"\x16", b"\x80")[number % 3]
                stranger.sendto(first + bytes(1199), (target.address, target.port))
                if number % 20 == 0:
                    await asyncio.sleep(0.001)
        await honest.wait_for_answers(5)
        assert not honest.of_type("bye")
        [session] = local(server)
        assert session.peer.suppressed_errors == 0
