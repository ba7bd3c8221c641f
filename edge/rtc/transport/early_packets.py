"""Media that arrives before its keys are known: kept, and handed over once they are.

A publisher that is the DTLS server may send right after its last handshake message, and the first
picture is the key frame on which all others rest.
"""

from __future__ import annotations

from collections.abc import Iterator

MAX_PACKETS = 1024  # of one session; beyond, the newest is dropped: a key frame's beginning counts
MAX_BYTES = 1 << 20  # the same in bytes


class EarlyPackets:
    """Datagrams with their arrival times in ms, until they are taken."""

    def __init__(self) -> None:
        self._packets: list[tuple[bytes, float]] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._packets)

    def add(self, data: bytes, arrival_ms: float) -> bool:
        """Keep a datagram; False if it was dropped, since there are too many."""
        if len(self._packets) >= MAX_PACKETS or self._bytes + len(data) > MAX_BYTES:
            return False
        self._packets.append((data, arrival_ms))
        self._bytes += len(data)
        return True

    def take(self) -> Iterator[tuple[bytes, float]]:
        """All that were kept, in order of arrival; none is kept afterwards."""
        packets, self._packets, self._bytes = self._packets, [], 0
        return iter(packets)
