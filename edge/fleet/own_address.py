"""Under which URL the directors reach this server, where the settings do not say."""

from __future__ import annotations

import asyncio
import socket

from edge.api.access.local_ca import lan_addresses
from edge.config.fleet import engine_address

_LOOKUP_S = 2.0
_ANY = ("0.0.0.0", "::", "")


async def own_url(host: str, port: int, *, is_https: bool, engine_url: str) -> str:
    """The URL of a server that listens on `host`; for all addresses, the one that this machine uses
    towards the engine, by which the directors are near."""
    if host in _ANY:
        host = await _towards(*engine_address(engine_url)) or _first_address()
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if is_https else 'http'}://{host}:{port}"


async def _towards(host: str, port: int) -> str | None:
    """The local address of packets to `host`, of which none is sent; None if it has none."""
    try:
        async with asyncio.timeout(_LOOKUP_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0]).partition("%")[0]
    except (OSError, TimeoutError):
        return None


def _first_address() -> str:
    return next((str(each) for each in lan_addresses()), "127.0.0.1")
