"""Decoding threads shared by sessions, one timer for all, and sockets read until they are empty."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from types import SimpleNamespace

import pytest
from aioice import ice

from edge.rtc import udp_socket
from edge.rtc.decoding.decoder_threads import MOST, DecoderThreads
from edge.rtc.shared_timer import SharedTimer


async def test_one_that_works_long_holds_up_nobody_else() -> None:
    crews = [DecoderThreads.of_loop() for _ in range(2)]
    assert crews[0] is crews[1]
    crew, let_go, done = crews[0], threading.Event(), asyncio.Event()
    crew.submit(let_go.wait)
    crew.submit(lambda: crew.call(done.set))
    async with asyncio.timeout(60):
        await done.wait()  # though the first is still at it
    let_go.set()
    for _ in crews:
        crew.leave()
    crew.join()


async def test_threads_are_few_and_end_with_the_last_user() -> None:
    before = threading.active_count()
    crew, *_ = [DecoderThreads.of_loop() for _ in range(20)]
    assert threading.active_count() <= before + MOST
    for _ in range(19):
        crew.leave()
    done = asyncio.Event()
    crew.submit(lambda: crew.call(done.set))
    async with asyncio.timeout(60):
        await done.wait()
    crew.leave()
    crew.join()
    assert threading.active_count() == before
    again = DecoderThreads.of_loop()
    assert again is not crew
    again.leave()
    again.join()


async def test_results_come_in_order_and_a_failing_one_stops_none() -> None:
    crew, seen, done = DecoderThreads.of_loop(), list[int](), asyncio.Event()

    def job() -> None:
        crew.call(seen.append, 1)
        crew.call(lambda: 1 // 0)
        crew.call(seen.append, 2)
        crew.call(done.set)
        raise SystemExit  # a thread is for all sessions: it lives on

    crew.submit(job)
    async with asyncio.timeout(60):
        await done.wait()
    assert seen == [1, 2]
    crew.leave()
    crew.join()


async def test_a_beat_is_for_all_and_ends_with_the_last() -> None:
    beat, loop = SharedTimer(0.001), asyncio.get_running_loop()
    heard, enough = {"a": 0, "b": 0}, asyncio.Event()

    def a() -> None:
        heard["a"] += 1
        raise RuntimeError("a's own trouble")

    def b() -> None:
        heard["b"] += 1
        if heard["b"] > 3:
            enough.set()

    beat.add(a)
    beat.add(b)
    async with asyncio.timeout(60):
        await enough.wait()
    assert heard["a"] >= 3
    beat.remove(a, loop)
    beat.remove(a, loop)
    assert beat.listening(loop) == 1
    beat.remove(b, loop)
    assert beat.listening(loop) == 0


@pytest.mark.parametrize("count", [5, udp_socket.A_TURN + 5])
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
    assert udp_socket.drain(protocol)
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


async def test_stun_that_is_cut_short_is_let_go() -> None:
    """From anybody, without a password: it may not even cost a line of the log."""
    loop = asyncio.get_running_loop()
    troubles: list[object] = []
    loop.set_exception_handler(lambda _, context: troubles.append(context))
    connection = ice.Connection(ice_controlling=False)
    [candidate] = await connection.get_component_candidates(1, ["127.0.0.1"])
    [protocol] = connection._protocols
    assert udp_socket.drain(protocol)
    priority = b"\x00\x24\x00\x00"  # an attribute of four bytes, of which none is there
    header = struct.pack("!HHI12s", 1, len(priority), 0x2112A442, bytes(12))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for data in (header + priority, b"\x16\xfe"):
            out.sendto(data, (candidate.host, candidate.port))
        async with asyncio.timeout(60):
            assert await connection._queue.get() == (b"\x16\xfe", 1)
    assert not troubles
    await connection.close()
