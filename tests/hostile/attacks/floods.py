"""HTTP clients within every bound on connections that ask for as much as is answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from urllib.parse import urlsplit

from tests.hostile.attack import HttpAttack

_SOURCE = "127.0.0.2"  # an address of its own: limits of an address do not reach the others
_FLOOD_S = 6.0
_CONNECTIONS = 32
_AHEAD = 8  # requests of a connection that wait for their answer


async def _flood(url: str, request: bytes) -> str:
    """So many requests as are answered, on connections that are made again when closed."""
    address = urlsplit(url)
    statuses: Counter[str] = Counter()

    async def one() -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection(
                    address.hostname, address.port, local_addr=(_SOURCE, 0)
                )
            except OSError:
                statuses["refused"] += 1
                await asyncio.sleep(0.01)
                continue
            try:
                writer.write(request * _AHEAD)
                while data := await reader.read(1 << 16):
                    heads = data.split(b"HTTP/1.1 ")[1:]
                    statuses.update(head[:3].decode() for head in heads)
                    writer.write(request * len(heads))
                statuses["closed"] += 1
            except OSError:
                statuses["closed"] += 1
            finally:
                writer.transport.abort()
            await asyncio.sleep(0.01)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_FLOOD_S):
            await asyncio.gather(*(one() for _ in range(_CONNECTIONS)))
    return ", ".join(f"{count} x {status}" for status, count in statuses.most_common())


def _request(method: str, path: str, more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode()


async def pages(url: str) -> str:
    """The page, again and again."""
    return await _flood(url, _request("GET", "/"))


async def preflights(url: str) -> str:
    """Preflights of the WHIP endpoint."""
    return await _flood(url, _request("OPTIONS", "/whip"))


async def files(url: str) -> str:
    """The client's file, which has 60 kB."""
    return await _flood(url, _request("GET", "/edge-client.js"))


async def unknown(url: str) -> str:
    """Sessions that are none."""
    return await _flood(url, _request("GET", "/whip/none/results"))


ATTACKS = (
    HttpAttack("pages", "the page as often as it is answered", pages, newcomer=True),
    HttpAttack("preflights", "preflights as often as they are answered", preflights),
    HttpAttack("files", "a file as often as it is answered", files),
    HttpAttack("unknown", "results of no session as often as they are answered", unknown),
)
