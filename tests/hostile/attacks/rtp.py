"""RTP and RTCP that make the receiver work, or send, more than the sender did."""

from __future__ import annotations

import os
import struct

from tests.hostile.attack import PeerAttack
from tests.hostile.peer import HostilePeer


def _rtp(peer: HostilePeer, sequence: int, payload: bytes, *, rtx: bool = False) -> bytes:
    payload_type = peer.payload_types()[rtx]
    ssrc = peer.rtx_ssrc if rtx else peer.ssrc
    head = struct.pack(
        "!BBHLL", 0x80, payload_type, sequence & 0xFFFF, (3000 * sequence) & 0xFFFFFFFF, ssrc
    )
    return head + payload


async def undecryptable(peer: HostilePeer) -> None:
    """20,000 packets of 1,200 bytes that no key decrypts."""
    payload_type, _ = peer.payload_types()
    for index in range(20_000):
        head = struct.pack("!BBHLL", 0x80, payload_type, index & 0xFFFF, index, peer.ssrc)
        await peer.send_datagram(head + os.urandom(1188))
        await peer.pause(index)


async def reports(peer: HostilePeer) -> None:
    """20,000 sender reports with 31 report blocks each."""
    blocks = struct.pack("!LLLLLL", 1, 0, 0, 0, 0, 0) * 31
    body = struct.pack("!LQLLL", peer.ssrc, 1 << 60, 0, 0, 0) + blocks
    report = struct.pack("!BBH", 0x80 | 31, 200, len(body) // 4) + body
    for index in range(20_000):
        await peer.send_rtp(report)
        await peer.pause(index)


async def sequence_jumps(peer: HostilePeer) -> None:
    """4,000 packets, each 500 sequence numbers after the last."""
    for index in range(4_000):
        await peer.send_rtp(_rtp(peer, 500 * index, b"\x10\x00\x00" + bytes(20)))
        await peer.pause(index, every=5)


async def retransmissions(peer: HostilePeer) -> None:
    """10,000 retransmissions of packets that nobody asked for."""
    for index in range(10_000):
        original = struct.pack("!H", (7919 * index) & 0xFFFF)
        await peer.send_rtp(_rtp(peer, index, original + b"\x10" + bytes(1000), rtx=True))
        await peer.pause(index)


async def extensions(peer: HostilePeer) -> None:
    """20,000 packets with 250 header extensions each."""
    payload_type, _ = peer.payload_types()
    elements = b"".join(bytes([1 + n % 14 << 4, 7]) for n in range(250))
    block = struct.pack("!HH", 0xBEDE, len(elements) // 4) + elements[: len(elements) // 4 * 4]
    for index in range(20_000):
        head = struct.pack("!BBHLL", 0x90, payload_type, index & 0xFFFF, index, peer.ssrc)
        await peer.send_rtp(head + block + b"\x10")
        await peer.pause(index)


async def endless_frame(peer: HostilePeer) -> None:
    """20,000 packets of one frame that never ends."""
    payload_type, _ = peer.payload_types()
    for index in range(20_000):
        head = struct.pack("!BBHLL", 0x80, payload_type, index & 0xFFFF, 90_000, peer.ssrc)
        await peer.send_rtp(head + (b"\x10" if index == 0 else b"\x00") + bytes(800))
        await peer.pause(index)


async def sources(peer: HostilePeer) -> None:
    """20,000 packets, each the key frame of a source and of a time of its own."""
    payload_type, _ = peer.payload_types()
    key = b"\x10" + bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", 4000, 2000) + bytes(800)
    for index in range(20_000):
        head = struct.pack("!BBHL", 0x80, payload_type | 0x80, index & 0xFFFF, 3000 * index)
        await peer.send_rtp(head + os.urandom(4) + key)
        await peer.pause(index)


ATTACKS = (
    PeerAttack("srtp-garbage", "20,000 undecryptable SRTP packets", undecryptable, must_end=True),
    PeerAttack("rtcp", "20,000 RTCP reports of 31 blocks", reports, must_end=True),
    PeerAttack(
        "sequence-jumps", "4,000 jumps of 500 sequence numbers", sequence_jumps, must_end=True
    ),
    PeerAttack("retransmissions", "10,000 retransmissions unasked", retransmissions),
    PeerAttack("extensions", "20,000 packets of 250 header extensions", extensions),
    PeerAttack("sources", "20,000 sources of one frame each", sources),
    PeerAttack("endless-frame", "one frame of 20,000 packets", endless_frame),
)
