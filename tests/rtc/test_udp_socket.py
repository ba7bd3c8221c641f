"""A UDP socket read until it is empty, its datagrams sorted by their first byte."""

from __future__ import annotations

import asyncio
import socket
import struct
from types import SimpleNamespace

import pytest
from aioice import ice

from edge.rtc.udp_socket import MAX_PER_TURN, read_until_empty


@pytest.mark.parametrize("count", [5, MAX_PER_TURN + 5])
async def test_a_socket_is_read_until_it_is_empty_and_sorted_by_first_byte(count: int) -> None:
    loop = asyncio.get_running_loop()
    stun, rest, all_there = [], [], asyncio.Event()

    class Protocol(asyncio.DatagramProtocol):
        local_candidate = SimpleNamespace(component=1)
        receiver = SimpleNamespace(data_received=lambda data, component: note(data))

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: object) -> None:
            stun.append((data, addr))

    def note(data: bytes) -> None:
        rest.append(data)
        if len(rest) == 1 + count:
            all_there.set()

    transport, protocol = await loop.create_datagram_endpoint(Protocol, local_addr=("127.0.0.1", 0))
    assert read_until_empty(protocol)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        address = transport.get_extra_info("sockname")
        for data in (b"\x00\x01", b"\x16\xfe", b"", *[b"\x80" + bytes(20)] * count):
            out.sendto(data, address)
        async with asyncio.timeout(60):
            await all_there.wait()
        assert [data for data, _ in stun] == [b"\x00\x01", b""]
        assert stun[0][1] == ("127.0.0.1", out.getsockname()[1])
    assert rest[0] == b"\x16\xfe"
    transport.close()
    await asyncio.sleep(0)


async def test_truncated_stun_is_ignored() -> None:
    """Anybody can send it, without a password, so it must not even be logged."""
    loop = asyncio.get_running_loop()
    troubles: list[object] = []
    loop.set_exception_handler(lambda _, context: troubles.append(context))
    connection = ice.Connection(ice_controlling=False)
    [candidate] = await connection.get_component_candidates(1, ["127.0.0.1"])
    [protocol] = connection._protocols
    assert read_until_empty(protocol)
    priority = b"\x00\x24\x00\x00"  # an attribute of four bytes, of which none is there
    header = struct.pack("!HHI12s", 1, len(priority), 0x2112A442, bytes(12))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for data in (header + priority, b"\x16\xfe"):
            out.sendto(data, (candidate.host, candidate.port))
        async with asyncio.timeout(60):
            assert await connection._queue.get() == (b"\x16\xfe", 1)
    assert not troubles
    await connection.close()


async def test_a_transport_without_a_socket_of_its_own_is_left_alone() -> None:
    """As with an event loop other than asyncio's: aioice then reads by itself."""
    protocol = SimpleNamespace(transport=SimpleNamespace())
    assert not read_until_empty(protocol)
