"""STUN and whatever else arrives at the media port."""

from __future__ import annotations

import asyncio
import os
import socket

from aioice import stun

from tests.hostile.attack import PeerAttack
from tests.hostile.peer import HostilePeer


def _check(peer: HostilePeer, *, priority: bool = True) -> bytes:
    """An authenticated Binding request of this connection."""
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    ice = peer.ice
    request.attributes["USERNAME"] = f"{ice.remote_username}:{ice.local_username}"
    if priority:
        request.attributes["PRIORITY"] = 1_845_501_695
    request.attributes["ICE-CONTROLLING"] = ice._tie_breaker
    request.add_message_integrity(ice.remote_password.encode())
    return bytes(request)


def _socket(peer: HostilePeer) -> socket.socket:
    """One that reaches the server's address, of whichever family ICE chose."""
    family = socket.AF_INET6 if ":" in peer.server_address[0] else socket.AF_INET
    return socket.socket(family, socket.SOCK_DGRAM)


async def without_priority(peer: HostilePeer) -> None:
    """2,000 authenticated checks without PRIORITY."""
    for index in range(2_000):
        await peer.send_datagram(_check(peer, priority=False))
        await peer.pause(index)


async def reflexive_sources(peer: HostilePeer) -> None:
    """2,000 authenticated checks, each from an address of its own."""
    host = peer.server_address[0]
    for index in range(2_000):
        with _socket(peer) as source:
            source.bind((host if index % 2 else "", 0))
            source.sendto(_check(peer), peer.server_address)
        await peer.pause(index)


async def malformed(peer: HostilePeer) -> None:
    """20,000 STUN messages of random attributes."""
    for index in range(20_000):
        body = os.urandom(64)
        await peer.send_datagram(b"\0\1\0\x40\x21\x12\xa4\x42" + os.urandom(12) + body)
        await peer.pause(index)


async def garbage(peer: HostilePeer) -> None:
    """20,000 datagrams that look like DTLS, after its handshake."""
    for index in range(20_000):
        head = b"\x16\xfe\xfd" if index % 2 else b"\x17\xfe\xfd"
        await peer.send_datagram(head + os.urandom(300))
        await peer.pause(index)


async def strangers(peer: HostilePeer) -> None:
    """20,000 datagrams to the victim's port from an address without a session."""
    with _socket(peer) as source:
        for index in range(20_000):
            source.sendto(os.urandom(1) + os.urandom(600), peer.server_address)
            if index % 20 == 0:
                await asyncio.sleep(0.005)


ATTACKS = (
    PeerAttack("stun-priority", "2,000 checks without PRIORITY", without_priority),
    PeerAttack("reflexive", "checks from 2,000 addresses", reflexive_sources),
    PeerAttack("stun-malformed", "20,000 malformed STUN messages", malformed),
    PeerAttack("dtls-garbage", "20,000 datagrams of garbage as DTLS", garbage),
    PeerAttack("strangers", "20,000 datagrams from an unknown address", strangers),
)
