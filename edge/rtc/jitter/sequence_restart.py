"""Senders that start over: packets whose numbers do not continue the stream's are held until they
prove to be a new one, and are then played from their first on. Pure: times in ms are arguments."""

from __future__ import annotations

from dataclasses import dataclass

from edge.rtc.jitter.payloads.payload import Payload
from edge.rtc.unwrapper import signed_difference

MAX_JUMP = 1000  # of the sequence number; by more, another stream has begun
_MAX_HELD = 256  # packets; beyond, the oldest is dropped
_STANDSTILL_MS = 1_000.0  # without a packet that continues the stream
_STANDSTILL_PACKETS = 8  # retransmissions that come late are fewer, or not in a row


@dataclass(slots=True)
class HeldPacket:
    """A packet as `JitterBuffer.add` takes it."""

    sequence: int
    rtp: int
    marker: bool
    media: Payload | None
    damaged: bool
    arrival_ms: float


class SequenceRestart:
    """Tells a sender that started over from stray packets and late ones.

    Two in a row are a new stream where their numbers are more than `MAX_JUMP` away (RFC 3550,
    appendix A.1), or where their timestamps are later than all before. Numbers that go back a
    little, with old timestamps, may be retransmissions: nothing else must come for a second.
    """

    def __init__(self) -> None:
        self._held: list[HeldPacket] = []
        self._strays: list[HeldPacket] = []  # taken after each packet
        self._newest_rtp: int | None = None
        self._continued_ms = float("-inf")

    def continued(self, rtp: int, now_ms: float) -> None:
        """A packet continued the stream: what was held were strays."""
        if self._newest_rtp is None or signed_difference(rtp, self._newest_rtp, 32) > 0:
            self._newest_rtp = rtp
        self._continued_ms = now_ms
        self._drop(len(self._held))

    def hold(self, packet: HeldPacket, *, far: bool) -> list[HeldPacket]:
        """All packets of a new stream once there certainly is one, else none."""
        if self._held and packet.sequence != (self._held[-1].sequence + 1) & 0xFFFF:
            self._drop(len(self._held))
        self._held.append(packet)
        self._drop(len(self._held) - _MAX_HELD)
        count = len(self._held)
        still_ms = packet.arrival_ms - self._continued_ms
        if not (
            (count >= 2 and (far or self._is_newer(self._held[0].rtp)))
            or (count >= _STANDSTILL_PACKETS and still_ms > _STANDSTILL_MS)
        ):
            return []
        held, self._held = self._held, []
        self.clear()
        return held

    def take_strays(self) -> list[HeldPacket]:
        """Packets that were held and proved not to begin a stream, since the last call."""
        strays, self._strays = self._strays, []
        return strays

    def clear(self) -> None:
        """Another stream begins."""
        self._drop(len(self._held))
        self._newest_rtp = None

    def _drop(self, count: int) -> None:
        if count > 0:
            self._strays += self._held[:count]
            del self._held[:count]

    def _is_newer(self, rtp: int) -> bool:
        newest = self._newest_rtp
        return newest is not None and signed_difference(rtp, newest, 32) > 0
