"""Inspection of SCTP packets before aiortc handles them: only what costs little gets through.

aiortc's association does work that grows with the square of numbers that a peer chooses (gap
blocks, fragments, holes in the sequence, streams), and one parameter of length 0 holds it for
ever (docs/understand/aiortc-sctp.md). Each rule bounds one of these numbers. A WebRTC peer that
follows RFC 8831 never breaks one. Pure: the association's state is an argument.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

MAX_PACKET_BYTES = 2048  # RFC 8831 section 5: packets fit a path of 1280 to 1500 bytes
MAX_CHUNKS = 32  # in a packet
MAX_PARAMETERS = 16  # in a chunk; an INIT of a browser has four to six
MAX_RECONFIG_PARAMETERS = 2  # RFC 6525 section 3.1
MAX_STREAMS = 64  # that data came on; a publisher opens two
MAX_TSN_AHEAD = 256  # of the last in sequence: a hole is that long at most
MAX_REASSEMBLY_CHUNKS = 128  # that wait in one stream for the rest of their message, or a hole
MAX_DUPLICATES = 256  # reported in a SACK
ENDLESS_PARAMETER = "a parameter shorter than its header"  # holds aiortc for ever

_COMMON_HEADER_BYTES = 12
_CHUNK_HEADER_BYTES = 4
_TSN_MODULO = 1 << 32

_DATA, _INIT, _INIT_ACK, _SACK, _HEARTBEAT, _HEARTBEAT_ACK, _ABORT = range(7)
_ERROR = 9
_RECONFIG, _FORWARD_TSN = 130, 192
_PARAMETERS_AT = {
    _INIT: 16,
    _INIT_ACK: 16,
    _HEARTBEAT: 0,
    _HEARTBEAT_ACK: 0,
    _ABORT: 0,
    _ERROR: 0,
    _RECONFIG: 0,
}
"""Where in the body of a chunk of this type its parameters begin."""


@dataclass(frozen=True, slots=True)
class Association:
    """An SCTP association as the inspection needs it, before a packet is handled.

    TSNs are 32-bit. `received_tsn` is the last one received in sequence, None before INIT;
    `sent_tsn` the last one sent, `acknowledged_tsn` the last one that the peer acknowledged;
    `streams` the ids that data came on, with the number of chunks each holds for reassembly.
    """

    established: bool
    received_tsn: int | None
    sent_tsn: int
    acknowledged_tsn: int
    streams: Mapping[int, int]


def violation(packet: bytes, association: Association) -> str | None:
    """The rule that a packet breaks; None: aiortc may handle it.

    Packets that aiortc discards by itself (too short, chunks cut short) pass.
    """
    if len(packet) > MAX_PACKET_BYTES:
        return f"a packet of {len(packet)} bytes"
    position, chunks, new_streams = _COMMON_HEADER_BYTES, 0, set[int]()
    waiting: dict[int, int] = {}
    control: set[int] = set()
    while position <= len(packet) - _CHUNK_HEADER_BYTES:
        kind, _, length = struct.unpack_from("!BBH", packet, position)
        if length < _CHUNK_HEADER_BYTES or position + length > len(packet):
            return None  # the whole packet is discarded
        chunks += 1
        if chunks > MAX_CHUNKS:
            return f"more than {MAX_CHUNKS} chunks in a packet"
        if kind != _DATA and kind in control:
            return f"two chunks of type {kind} in a packet"  # each may be answered by a packet
        control.add(kind)
        body = packet[position + _CHUNK_HEADER_BYTES : position + length]
        broken = _chunk_violation(kind, body, association, new_streams, waiting)
        if broken is not None:
            return broken
        position += length + -length % 4
    return None


def _chunk_violation(
    kind: int, body: bytes, association: Association, new_streams: set[int], waiting: dict[int, int]
) -> str | None:
    if kind == _DATA:
        return _data_violation(body, association, new_streams, waiting)
    if kind == _SACK:
        return _sack_violation(body, association)
    if kind == _FORWARD_TSN:
        return _forward_tsn_violation(body, association, new_streams)
    if kind == _INIT and association.established:
        return "INIT in an established association"
    if kind in _PARAMETERS_AT:
        most = MAX_RECONFIG_PARAMETERS if kind == _RECONFIG else MAX_PARAMETERS
        return _parameter_violation(body, _PARAMETERS_AT[kind], most)
    return None


def _data_violation(
    body: bytes, association: Association, new_streams: set[int], waiting: dict[int, int]
) -> str | None:
    if len(body) < 12:
        return "DATA cut short"
    if len(body) == 12:
        return "DATA without user data"  # RFC 9260 section 3.3.1
    tsn, stream = struct.unpack_from("!LH", body)
    if association.received_tsn is None:
        return "DATA before INIT"
    ahead = (tsn - association.received_tsn) % _TSN_MODULO
    if MAX_TSN_AHEAD < ahead < _TSN_MODULO // 2:
        return f"TSN {ahead} ahead of the last in sequence"
    new_streams.add(stream)
    broken = _streams_violation(association, new_streams)
    if broken is not None:
        return broken
    waiting[stream] = waiting.get(stream, association.streams.get(stream, 0)) + 1
    if waiting[stream] > MAX_REASSEMBLY_CHUNKS:
        return f"more than {MAX_REASSEMBLY_CHUNKS} fragments of unfinished messages"
    return None


def _sack_violation(body: bytes, association: Association) -> str | None:
    if len(body) < 12:
        return "SACK cut short"
    tsn, _, gaps, duplicates = struct.unpack_from("!LLHH", body)
    if len(body) < 12 + 4 * (gaps + duplicates):
        return "SACK cut short"
    if 0 < (association.acknowledged_tsn - tsn) % _TSN_MODULO < _TSN_MODULO // 2:
        return None  # older than the last one: ignored
    behind = (association.sent_tsn - tsn) % _TSN_MODULO
    if behind >= _TSN_MODULO // 2:
        return "SACK of a TSN that was not sent"
    if duplicates > MAX_DUPLICATES:
        return f"SACK of {duplicates} duplicates"
    last = 0
    for first, end in struct.iter_unpack("!HH", body[12 : 12 + 4 * gaps]):
        if not last < first <= end <= behind:
            return "SACK with gap blocks out of order or beyond what was sent"
        last = end
    return None


def _forward_tsn_violation(
    body: bytes, association: Association, new_streams: set[int]
) -> str | None:
    if len(body) < 4 or len(body) % 4:
        return "FORWARD-TSN cut short"
    if association.received_tsn is None:
        return "FORWARD-TSN before INIT"
    (tsn,) = struct.unpack_from("!L", body)
    ahead = (tsn - association.received_tsn) % _TSN_MODULO
    if MAX_TSN_AHEAD < ahead < _TSN_MODULO // 2:
        return f"FORWARD-TSN of {ahead} chunks"
    new_streams.update(stream for stream, _ in struct.iter_unpack("!HH", body[4:]))
    return _streams_violation(association, new_streams)


def _streams_violation(association: Association, new_streams: set[int]) -> str | None:
    known = association.streams
    if len(known) + sum(stream not in known for stream in new_streams) > MAX_STREAMS:
        return f"more than {MAX_STREAMS} streams"
    return None


def _parameter_violation(body: bytes, position: int, most: int) -> str | None:
    count = 0
    while position <= len(body) - 4:
        length = struct.unpack_from("!HH", body, position)[1]
        if length < 4:
            return ENDLESS_PARAMETER
        count += 1
        if count > most:
            return f"more than {most} parameters in a chunk"
        position += length + -length % 4
    return None
