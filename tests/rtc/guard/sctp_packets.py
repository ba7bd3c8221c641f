"""SCTP packets for tests (RFC 9260, RFC 3758), and a transport for an association under test."""

from __future__ import annotations

import struct

from google_crc32c import value as crc32c

FIRST, LAST, UNORDERED = 2, 1, 4
"""Flags of a DATA chunk: first and last fragment, unordered."""


def chunk(kind: int, body: bytes, flags: int = 0) -> bytes:
    length = 4 + len(body)
    return struct.pack("!BBH", kind, flags, length) + body + bytes(-length % 4)


def data(tsn: int, stream: int = 0, user_data: bytes = b"x", flags: int = FIRST | LAST) -> bytes:
    return chunk(0, struct.pack("!LHHL", tsn % 2**32, stream, 0, 51) + user_data, flags)


def sack(tsn: int, gaps: list[tuple[int, int]], duplicates: int = 0) -> bytes:
    body = struct.pack("!LLHH", tsn, 1 << 17, len(gaps), duplicates)
    body += b"".join(struct.pack("!HH", *gap) for gap in gaps)
    return chunk(3, body + bytes(4 * duplicates))


def forward_tsn(tsn: int, streams: list[int]) -> bytes:
    body = struct.pack("!L", tsn % 2**32)
    return chunk(192, body + b"".join(struct.pack("!HH", stream, 0) for stream in streams))


def packet(*chunks: bytes, tag: int = 0) -> bytes:
    head, body = struct.pack("!HHL", 5000, 5000, tag), b"".join(chunks)
    return head + struct.pack("<L", crc32c(head + bytes(4) + body)) + body


class SilentTransport:
    """The DTLS transport of an association that sends into nothing."""

    state = "connected"
    _role = "server"

    def __init__(self) -> None:
        self.sent = 0

    async def _send_data(self, _: bytes) -> None:
        self.sent += 1

    def _register_data_receiver(self, _: object) -> None: ...
    def _unregister_data_receiver(self, _: object) -> None: ...
