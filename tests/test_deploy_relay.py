"""The relay of the compose file: its own command and configuration, read by a real coturn."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aioice import stun
from aioice.turn import TurnTransport, create_turn_endpoint
from aiortc import RTCIceServer

from edge.api.access.local_ca import lan_addresses
from edge.config import IceServer
from edge.session import turn
from tests.coturn import SECRET, coturn, drain, listening
from tests.free_port import free_port
from tests.publisher import FramesTrack, WhipPublisher
from tests.serving import base, noise, serving

DEPLOY = Path(__file__).parents[1] / "deploy"
CONFIGURATION = DEPLOY / "turnserver.conf"

LOCAL = [str(each) for each in lan_addresses() if each.version == 4]
needs_address = pytest.mark.skipif(not LOCAL, reason="only loopback addresses: nothing to relay to")

INSIDE = ["127.0.0.1", "10.1.2.3", "172.20.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254"]
INSIDE += ["0.0.0.0", "224.0.0.251", "255.255.255.255", "198.18.0.1", "240.0.0.1"]
INSIDE_6 = ["::1", "fe80::1", "fd12::1", "ff02::fb", "fec0::1", "::ffff:10.1.2.3"]
INSIDE_6 += ["::127.0.0.1", "64:ff9b::10.1.2.3", "2002:a01:203::1", "2001:0:a01:203::1"]


def service() -> dict[str, Any]:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return dict(compose["services"]["turn"])


def command(configuration: Path, folder: Path) -> list[str]:
    """What the container runs, with another configuration, and a folder instead of its /tmp."""
    [script] = service()["command"]
    script = script.replace("$$", "$").replace("/tmp/", f"{folder}/")
    return [
        *service()["entrypoint"],
        script.replace("/etc/edge/turnserver.conf", f"{configuration}"),
    ]


def denied() -> list[tuple[Any, Any]]:
    ranges = re.findall(r"^denied-peer-ip=([^-\n]+)-(\S+)$", CONFIGURATION.read_text(), re.M)
    return [(ipaddress.ip_address(first), ipaddress.ip_address(last)) for first, last in ranges]


def is_denied(text: str) -> bool:
    """As coturn compares: byte by byte, not as numbers."""
    address = ipaddress.ip_address(text)
    return any(
        first.version == address.version
        and all(map(int.__le__, first.packed, address.packed))
        and all(map(int.__le__, address.packed, last.packed))
        for first, last in denied()
    )


@asynccontextmanager
async def relay(folder: Path, allowed: str = "") -> AsyncIterator[tuple[str, int]]:
    """The relay at an address of this machine and a free port; `allowed` is the server's."""
    port = free_port(LOCAL[0])
    copy = folder / "copy.conf"
    text = CONFIGURATION.read_text().replace("/tmp/", f"{folder}/")
    copy.write_text(text.replace("listening-port=3478", f"listening-port={port}"))
    environment = {"EDGE_TURN_SECRET": SECRET, "TURN_ALLOWED_PEER": allowed}
    process = await asyncio.create_subprocess_exec(
        *command(copy, folder),
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    reading = asyncio.create_task(drain(process.stdout))
    try:
        await listening(LOCAL[0], port)
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        inherited = Path(f"/proc/{process.pid}/environ").read_bytes()
        assert arguments.startswith(b"turnserver\0")
        assert SECRET.encode() not in arguments + inherited
        assert (folder / "turnserver.conf").stat().st_mode & 0o077 == 0
        yield LOCAL[0], port
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()
        await reading


class Received(asyncio.DatagramProtocol):
    """Datagrams as they come."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.queue.put_nowait((data, address))

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing to do."""


@asynccontextmanager
async def allocation(server: tuple[str, int]) -> AsyncIterator[tuple[TurnTransport, Received]]:
    username, password = turn.credentials(SECRET, "test", time.time(), 3600)
    transport, received = await create_turn_endpoint(Received, server, username, password)
    try:
        yield transport, received
    finally:
        await client_of(transport).delete()


def client_of(transport: TurnTransport) -> Any:
    return vars(transport)["_TurnTransport__inner_protocol"]


async def answer_to(transport: TurnTransport, peer: str, channel: int = 0x4000) -> int:
    """The error code of a request to relay to a peer; 0: it is granted."""
    try:
        await client_of(transport).channel_bind(channel, (peer, 9))
    except stun.TransactionFailed as error:
        return int(error.response.attributes["ERROR-CODE"][0])
    return 0


@coturn
@needs_address
async def test_nothing_inside_the_relays_network_is_reached(tmp_path: Path) -> None:
    async with relay(tmp_path) as server, allocation(server) as (transport, _):
        answers = {
            peer: await answer_to(transport, peer, 0x4000 + number)
            for number, peer in enumerate([*INSIDE, "8.8.8.8"])
        }
    assert answers.pop("8.8.8.8") == 0  # the only one outside: no packet is sent to it
    assert answers == dict.fromkeys(INSIDE, 403)


@coturn
@needs_address
async def test_a_server_with_a_private_address_is_reached_once_allowed(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    peer, at_peer = await loop.create_datagram_endpoint(Received, local_addr=(LOCAL[0], 0))
    try:
        async with (
            relay(tmp_path, allowed=LOCAL[0]) as server,
            allocation(server) as (transport, received),
        ):
            assert await answer_to(transport, "127.0.0.1") == 403  # still
            transport.sendto(b"there", peer.get_extra_info("sockname"))
            data, relayed = await asyncio.wait_for(at_peer.queue.get(), 30)
            assert (data, relayed[1] in range(50200, 50400)) == (b"there", True)
            peer.sendto(b"and back", relayed)
            data, _ = await asyncio.wait_for(received.queue.get(), 30)
            assert data == b"and back"
    finally:
        peer.close()


@coturn
@needs_address
async def test_a_publisher_relays_its_media_through_it(tmp_path: Path) -> None:
    async with relay(tmp_path, allowed=LOCAL[0]) as (host, port), aiohttp.ClientSession() as http:
        url = f"turn:{host}:{port}"
        username, password = turn.credentials(SECRET, "test", time.time(), 3600)
        async with serving(
            turn_secret=SECRET, ice_servers=[IceServer(urls=[url])], token="hush", slo_ms=1000
        ) as server:
            through = RTCIceServer(url, username, password)
            me = WhipPublisher(FramesTrack(noise(320, 192), 15), relay=through)
            try:
                await me.publish(http, base(server), headers={"Authorization": "Bearer hush"})
                await me.wait_for_type("detections")
            finally:
                await me.connection.close()


@coturn
@needs_address
async def test_nobody_relays_by_tcp(tmp_path: Path) -> None:
    username, password = turn.credentials(SECRET, "test", time.time(), 3600)
    async with relay(tmp_path) as server:
        host, port = server
        done = await asyncio.create_subprocess_exec(
            *("turnutils_uclient", "-t", "-T", "-u", username, "-w", password, "-n", "1"),
            *("-p", str(port), "-e", "192.0.2.99", "-X", host),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(done.communicate(), 60)
    assert done.returncode != 0
    assert b"error 442" in out or b"Unsupported Transport" in out, out


def test_every_address_inside_is_denied_in_either_family() -> None:
    refused = {text: is_denied(text) for text in [*INSIDE, *INSIDE_6]}
    assert refused == dict.fromkeys(refused, True)
    for outside in ("8.8.8.8", "2606:4700::1111", "2a00:1450::1"):
        assert not is_denied(outside)
    assert all(first != ipaddress.ip_address("::") for first, _ in denied())  # all of IPv4


def test_the_relay_is_confined_as_the_server_is() -> None:
    turned = service()
    assert turned["read_only"] is True
    assert turned["cap_drop"] == ["ALL"]
    assert turned["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(
        r"\$\{TURN_IMAGE:-coturn/coturn:[\w.-]+@sha256:[0-9a-f]{64}\}", turned["image"]
    )
    [volume] = turned["volumes"]
    assert (DEPLOY / volume.partition(":")[0]).resolve() == CONFIGURATION.resolve()


def test_the_relay_does_not_start_without_a_secret(tmp_path: Path) -> None:
    environment = {"PATH": os.defpath, "EDGE_TURN_SECRET": ""}
    words = command(CONFIGURATION, tmp_path)
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode != 0
    assert "EDGE_TURN_SECRET" in done.stderr
    assert list(tmp_path.iterdir()) == []
