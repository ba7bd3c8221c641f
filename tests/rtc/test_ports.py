"""By which ports and addresses media comes, where an operator says so."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest
from aioice import ice

from edge.config import ConfigError, load
from edge.rtc.sdp import announced
from edge.rtc.transport import aiortc_adapter
from tests.publisher import publishing
from tests.serving import base, noise, serving

_CANDIDATE = re.compile(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host")
FIRST, LAST = 42_000, 42_063


async def test_media_comes_by_the_ports_of_the_range_and_is_answered() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", FIRST))  # one is taken by another program
        settings: dict[str, Any] = {
            "udp_ports": f"{FIRST}-{LAST}",
            "announce": ["203.0.113.5"],
            "max_sessions": 16,
        }
        async with serving(**settings) as server:
            async with publishing(base(server), noise(320, 192)) as me:
                await me.wait_for_type("detections")
                sdp = me.connection.remoteDescription.sdp
            found = _CANDIDATE.findall(sdp)
    ports = {int(port) for _, port in found}
    assert ports
    assert all(FIRST <= port <= LAST for port in ports)
    assert "203.0.113.5" in {address for address, _ in found}


def _unread(_: ice.StunProtocol) -> None:
    """asyncio's own transport goes on reading."""


async def test_an_address_without_a_socket_costs_itself_alone() -> None:
    elsewhere = "203.0.113.77"  # of no interface here
    for addresses in ([elsewhere, "127.0.0.1"], ["127.0.0.1", elsewhere]):
        connection = ice.Connection(ice_controlling=False)
        found = await aiortc_adapter._gather_in(
            connection, 1, addresses, range(FIRST, LAST + 1), _unread
        )
        assert [each.host for each in found] == ["127.0.0.1"]
        await connection.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", found[0].port))  # given back
    connection = ice.Connection(ice_controlling=False)
    with pytest.raises(OSError, match="assign"):
        await aiortc_adapter._gather_in(connection, 1, [elsewhere], range(FIRST, LAST + 1), _unread)
    await connection.close()


def test_an_announced_address_stands_for_each_local_one_of_its_family() -> None:
    answer = (
        "v=0\r\n"
        "a=candidate:aa 1 udp 2130706431 10.0.0.2 50000 typ host\r\n"
        "a=candidate:bb 1 udp 2130706431 fd00::2 50001 typ host\r\n"
        "a=candidate:cc 1 udp 169449 198.51.100.9 50000 typ srflx raddr 10.0.0.2 rport 9\r\n"
    )
    lines = announced(answer, ["203.0.113.5", "2001:db8::5"]).splitlines()
    assert lines == [
        "v=0",
        "a=candidate:aa 1 udp 2130706431 10.0.0.2 50000 typ host",
        "a=candidate:aa1 1 udp 2130706430 203.0.113.5 50000 typ host",
        "a=candidate:bb 1 udp 2130706431 fd00::2 50001 typ host",
        "a=candidate:bb2 1 udp 2130706429 2001:db8::5 50001 typ host",
        "a=candidate:cc 1 udp 169449 198.51.100.9 50000 typ srflx raddr 10.0.0.2 rport 9",
    ]
    assert announced(answer, []) == answer


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        ("50100-50000", "the lower one first"),
        ("80-50000", "from 1024"),
        ("50000-70000", "to 65535"),
        ("50000-50010", "at least max_sessions"),
        ("all", "--udp-ports: "),
    ],
)
def test_a_range_that_cannot_do_is_named(ports: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(udp_ports=ports)
