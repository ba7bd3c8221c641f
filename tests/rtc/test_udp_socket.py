"""A socket is read until it is empty, and no longer than its owner wants."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from edge.rtc.udp_socket import MAX_PER_TURN, read_until_empty

Transport = asyncio.DatagramTransport


@pytest_asyncio.fixture
async def transport() -> AsyncIterator[Transport]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    yield transport
    transport.close()
    await asyncio.sleep(0)


def _no_error(error: OSError) -> None:
    raise AssertionError(error)


def _read(read: Callable[[], None]) -> bool:
    read()
    return True


@pytest.mark.parametrize("count", [5, MAX_PER_TURN + 5])
async def test_all_that_waits_is_read_with_its_source(transport: Transport, count: int) -> None:
    read: list[tuple[bytes, Any]] = []
    everything = asyncio.Event()

    def on_datagram(data: bytes, address: Any) -> None:
        read.append((data, address))
        if len(read) == count:
            everything.set()

    assert read_until_empty(transport, on_datagram, _no_error, _read)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind(("127.0.0.1", 0))
        for number in range(count):
            out.sendto(bytes([number]), transport.get_extra_info("sockname"))
        async with asyncio.timeout(60):
            await everything.wait()
        assert read == [(bytes([n]), out.getsockname()) for n in range(count)]


async def test_reading_ends_when_its_owner_says_so(transport: Transport) -> None:
    turns: list[int] = []
    first = asyncio.Event()

    def on_turn(read: Callable[[], None]) -> bool:
        read()
        turns.append(1)
        first.set()
        return False

    assert read_until_empty(transport, lambda data, address: None, _no_error, on_turn)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(b"one", transport.get_extra_info("sockname"))
        async with asyncio.timeout(60):
            await first.wait()
        out.sendto(b"two", transport.get_extra_info("sockname"))
        for _ in range(3):
            await asyncio.sleep(0)
    assert turns == [1]


async def test_a_transport_without_a_socket_is_left_alone() -> None:
    assert not read_until_empty(object(), lambda data, address: None, _no_error, _read)
