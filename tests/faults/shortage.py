"""Shortages of the system's own: descriptors and UDP ports, all of them taken."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
from pyroute2 import netns

from netem.links.namespace import Namespace
from tests.descriptors import no_descriptor_left
from tests.faults.stage import FaultStage, stage
from tests.hostile.attacks.http import lone_offer
from tests.serving import simulated

PORTS = 200  # of UDP, in all; the publishers that are there have some of them
_RANGE = (40_000, 40_000 + PORTS - 1)
_LOG_LINES = 100


async def descriptors_gone(at: FaultStage) -> None:
    """The server and its ingest process can open no descriptor more; then they can again."""
    offer, lines = await lone_offer(), len(at.log_lines)
    async with aiohttp.ClientSession() as http:
        await _healthy(http, at.url)  # its connection is kept for the offers
        with no_descriptor_left([at.pid, *at.ingests()]):
            await _refused(http, at.url, offer, "no_descriptors")
            async with aiohttp.ClientSession() as other:
                try:
                    await _healthy(other, at.url)
                    raise AssertionError("a connection was served without a descriptor")
                except aiohttp.ClientConnectionError:
                    pass
            await at.answered(more=5)
    await at.arrive("newcomer")
    await at.answered()
    assert len(at.log_lines) - lines < _LOG_LINES, "".join(at.log_lines[lines:])


async def ports_gone(at: FaultStage) -> None:
    """Every UDP port of the system is bound; then they are free again."""
    offer, lines = await lone_offer(), len(at.log_lines)
    async with aiohttp.ClientSession() as http:
        with _no_port_left():
            await _refused(http, at.url, offer, "no_ports")
            await at.answered(more=5)
    await at.arrive("newcomer")
    await at.answered()
    assert len(at.log_lines) - lines < _LOG_LINES, "".join(at.log_lines[lines:])


@contextmanager
def _no_port_left() -> Iterator[None]:
    """Of the range that the system chooses from, every port is bound on every address."""
    with ExitStack() as stack:
        for family, address in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
            while True:
                one = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                try:
                    one.bind((address, 0))
                except OSError as error:
                    if error.errno != errno.EADDRINUSE:
                        raise
                    break
        yield


async def _refused(http: aiohttp.ClientSession, url: str, offer: str, code: str) -> None:
    """An offer is refused for that shortage, and may come again."""
    headers = {"Content-Type": "application/sdp"}
    async with http.post(f"{url}whip", data=offer, headers=headers) as response:
        body = await response.json()
        assert (response.status, body["error"]["code"]) == (503, code), body
        assert "Retry-After" in response.headers


async def _healthy(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(10), http.get(f"{url}healthz") as response:
        assert response.status == 200


@asynccontextmanager
async def few_ports(folder: Path) -> AsyncIterator[FaultStage]:
    """A network namespace with few UDP ports, in which server and publishers run.

    Only this thread and the processes that it starts are in it.
    """
    space = await asyncio.to_thread(Namespace)  # pyroute2 runs an event loop of its own
    with contextlib.closing(space):
        netns.pushns(space.name)
        try:
            Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(f"{_RANGE[0]} {_RANGE[1]}")
            async with stage(folder, [simulated()], clients=2) as at:
                yield at
        finally:
            netns.popns()
