"""Floods of control messages."""

from __future__ import annotations

import json

from tests.hostile.attack import PeerAttack
from tests.hostile.peer import HostilePeer


async def messages(peer: HostilePeer) -> None:
    """20,000 pings."""
    await _flood(peer, json.dumps({"type": "ping", "t0_ms": 1.0}), 20_000)


async def nested(peer: HostilePeer) -> None:
    """2,000 messages of 15,000 nested arrays."""
    await _flood(peer, "[" * 15_000, 2_000)


async def numbers(peer: HostilePeer) -> None:
    """2,000 messages with a number of 15,000 digits."""
    await _flood(peer, '{"type":"ping","t0_ms":' + "9" * 15_000 + "}", 2_000)


async def _flood(peer: HostilePeer, text: str, count: int) -> None:
    for index in range(count):
        if peer.control.readyState != "open":
            return
        peer.control.send(text)
        await peer.pause(index)


ATTACKS = (
    PeerAttack("messages", "20,000 control messages", messages),
    PeerAttack("nested-json", "2,000 messages of nested arrays", nested),
    PeerAttack("long-numbers", "2,000 messages with a number of 15,000 digits", numbers),
)
