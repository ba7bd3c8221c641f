"""HTTP clients that hold connections, send too much, or never read."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from urllib.parse import urlsplit

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection

from tests.hostile.attack import HttpAttack

_SOURCE = "127.0.0.2"  # an address of its own: limits of an address do not reach the others


async def lone_offer() -> str:
    """An offer's SDP, whose publisher never connects."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("video", direction="sendonly")
    connection.createDataChannel("control")
    await connection.setLocalDescription(await connection.createOffer())
    sdp = connection.localDescription.sdp
    await connection.close()
    return sdp


async def _post(url: str, sdp: str | bytes, count: int, parallel: int) -> str:
    """The statuses of so many offers, and how often each came."""
    places = asyncio.Semaphore(parallel)
    statuses: Counter[str] = Counter()
    connector = aiohttp.TCPConnector(limit=parallel, local_addr=(_SOURCE, 0))
    headers = {"Content-Type": "application/sdp"}

    async def one() -> None:
        async with places:
            try:
                async with http.post(f"{url}whip", data=sdp, headers=headers) as response:
                    await response.read()
                    statuses[str(response.status)] += 1
            except (aiohttp.ClientError, OSError):
                statuses["closed"] += 1

    async with aiohttp.ClientSession(connector=connector) as http:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(7.0):
                await asyncio.gather(*(one() for _ in range(count)))
    return _words(statuses)


def _words(statuses: Counter[str]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in statuses.most_common())


async def half_open(url: str) -> str:
    """16 offers whose publisher never connects."""
    outcome = await _post(url, await lone_offer(), 16, 4)
    await asyncio.sleep(5.0)
    return outcome


async def offers(url: str) -> str:
    """1,000 offers, 20 at a time."""
    return await _post(url, await lone_offer(), 1_000, 20)


async def oversized(url: str) -> str:
    """20 offers of 8 MB."""
    return await _post(url, b"a" * (8 << 20), 20, 4)


async def candidates(url: str) -> str:
    """200 offers of 60 kB, full of candidates."""
    line = "a=candidate:1 1 udp 2130706431 192.0.2.{} {} typ host\r\n"
    sdp = (await lone_offer()) + "".join(line.format(n % 250 + 1, 1024 + n) for n in range(1_000))
    return await _post(url, sdp[:60_000], 200, 10)


async def _raw(
    url: str, count: int, head: bytes, *, drip: bytes = b"", read: bool = True, drips: int = 12
) -> str:
    """Raw connections that send `head`, then `drip` twice a second; how each ended."""
    address = urlsplit(url)
    statuses: Counter[str] = Counter()

    async def one() -> None:
        try:
            reader, writer = await asyncio.open_connection(
                address.hostname, address.port, local_addr=(_SOURCE, 0)
            )
        except OSError:
            statuses["refused"] += 1
            return
        try:
            writer.write(head)
            for _ in range(drips):
                if not read:
                    await asyncio.sleep(0.5)
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        answer = await reader.read(4096)
                        words = answer.split(b" ", 2)
                        statuses[words[1].decode() if len(words) > 1 else "closed"] += 1
                        return
                writer.write(drip)
            statuses["open"] += 1
        except OSError:
            statuses["closed"] += 1
        finally:
            writer.transport.abort()

    await asyncio.gather(*(one() for _ in range(count)))
    return _words(statuses)


async def slow_headers(url: str) -> str:
    """300 connections whose headers never end."""
    head = b"POST /whip HTTP/1.1\r\nHost: x\r\n"
    return await _raw(url, 300, head, drip=b"X-A: 1\r\n")


async def slow_body(url: str) -> str:
    """300 connections whose body never ends."""
    head = (
        b"POST /whip HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n"
        b"Content-Length: 50000\r\n\r\n"
    )
    return await _raw(url, 300, head, drip=b"v=0\r\n")


async def giant_headers(url: str) -> str:
    """100 requests with a header of 1 MB."""
    return await _raw(url, 100, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * (1 << 20), drips=6)


async def unread(url: str) -> str:
    """4 connections with 20,000 requests each, which never read."""
    request = b"GET /api/openapi.yaml HTTP/1.1\r\nHost: localhost\r\n\r\n"
    return await _raw(url, 4, request * 20_000, read=False)


async def unread_events(url: str) -> str:
    """40 event streams that are never read."""
    head = b"GET /admin/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    return await _raw(url, 40, head, read=False)


async def malformed_heads(url: str) -> str:
    """1,000 requests with an Origin and a Host that no URL can be made of."""
    head = b"GET /api/sessions HTTP/1.1\r\nHost: [::1\r\nOrigin: http://[::1\r\n\r\n"
    return await _raw(url, 1_000, head, drips=4)


async def logins(url: str) -> str:
    """500 attempts at the login."""
    body = json.dumps({"token": "x" * 100}).encode()
    head = (
        b"POST /admin/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n"
    )
    return await _raw(url, 500, head % len(body) + body, drips=4)


ATTACKS = (
    HttpAttack("half-open", "16 offers, never connected", half_open, newcomer=True),
    HttpAttack("offers", "1,000 offers, 20 at a time", offers),
    HttpAttack("oversized-sdp", "20 offers of 8 MB", oversized),
    HttpAttack("candidates", "200 offers of 1,000 candidates", candidates),
    HttpAttack("slow-headers", "300 connections, headers never end", slow_headers, newcomer=True),
    HttpAttack("slow-body", "300 connections, bodies never end", slow_body, newcomer=True),
    HttpAttack("giant-headers", "100 headers of 1 MB", giant_headers),
    HttpAttack("unread", "80,000 pipelined requests, never read", unread),
    HttpAttack("unread-events", "40 event streams, never read", unread_events),
    HttpAttack("malformed-heads", "1,000 malformed Host and Origin headers", malformed_heads),
    HttpAttack("logins", "500 logins", logins),
)
