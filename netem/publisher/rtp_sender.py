"""The sending side of RTP: VP8 frames to packets, a retransmission history, RTCP feedback.

Pure: bytes, times and numbers in, bytes out.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass, field

from edge.rtc.rtp import (
    PAYLOAD_FEEDBACK,
    SENDER_REPORT,
    TRANSPORT_FEEDBACK,
    ExtensionIds,
    unix_ms_to_ntp,
)

MAX_PAYLOAD = 1140  # bytes of a frame in a packet; under 1200 with all headers
HISTORY = 512  # packets kept for retransmission; the oldest is dropped
_DESCRIPTION = 202  # RTCP SDES
_PICTURE_LOSS, _FULL_INTRA, _REMB, _NACK = 1, 4, 15, 1  # feedback message types

_HEADER = struct.Struct("!BBHLL")


@dataclass(slots=True)
class RtcpFeedback:
    """A compound RTCP packet's requests: sequence numbers to retransmit, a key frame, and the
    receiver's estimate (draft-alvestrand-rmcat-remb-03)."""

    nacked: list[int] = field(default_factory=list)
    keyframe: bool = False
    remb_bps: float | None = None


def read_feedback(data: bytes) -> RtcpFeedback:
    """NACK (RFC 4585, 6.2.1), PLI (6.3.1), FIR (RFC 5104, 4.3.1) and REMB in a compound packet.

    Reading stops at a truncated packet.
    """
    feedback, at = RtcpFeedback(), 0
    while at + 4 <= len(data):
        kind, form = data[at + 1], data[at] & 0x1F
        end = at + 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at] >> 6 != 2 or end > len(data):
            break
        if kind == TRANSPORT_FEEDBACK and form == _NACK:
            for first, mask in struct.iter_unpack("!HH", data[at + 12 : end]):
                feedback.nacked.append(first)
                feedback.nacked += [
                    (first + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1
                ]
        elif kind == PAYLOAD_FEEDBACK and form in (_PICTURE_LOSS, _FULL_INTRA):
            feedback.keyframe = True
        elif kind == PAYLOAD_FEEDBACK and form == _REMB and data[at + 12 : at + 16] == b"REMB":
            word = int.from_bytes(data[at + 17 : at + 20], "big")
            feedback.remb_bps = float((word & 0x3FFFF) << (word >> 18))
        at = end
    return feedback


class Packetiser:
    """Makes the RTP packets of one SSRC, and retransmissions of the last `HISTORY`.

    `stamp` completes a packet when it leaves, with its send time. `rtx` is the retransmissions'
    (payload type, SSRC); None repeats the original packets.
    """

    def __init__(
        self,
        ssrc: int,
        payload_type: int,
        ids: ExtensionIds,
        *,
        rtx: tuple[int, int] | None = None,
        sequence: int = 0,
    ) -> None:
        self.ssrc = ssrc
        self.packets = 0
        self.octets = 0
        self._payload_type = payload_type
        self._ids = ids
        self._rtx = rtx
        self._sequence = sequence & 0xFFFF
        self._rtx_sequence = 0
        self._picture = 0
        self._history: dict[int, bytes] = {}
        self._order: deque[int] = deque()

    def frame(
        self, data: bytes, rtp: int, captured_unix_ms: float, *, droppable: bool
    ) -> list[bytes]:
        """A VP8 frame's packets (RFC 7741), unstamped, about equal in size."""
        picture = 0x8000 | self._picture
        self._picture = (self._picture + 1) & 0x7FFF
        flags = 0x80 | 0x20 * droppable
        count = -(-len(data) // MAX_PAYLOAD)
        size = -(-len(data) // count)
        packets = []
        for index in range(count):
            last = index == count - 1
            begin = 0x10 if index == 0 else 0
            descriptor = struct.pack("!BBH", flags | begin, 0x80, picture)
            packet = b"".join(
                (
                    _HEADER.pack(
                        0x90, 0x80 * last | self._payload_type, self._sequence, rtp, self.ssrc
                    ),
                    self._extension(captured_unix_ms if index == 0 else None),
                    descriptor,
                    data[index * size : (index + 1) * size],
                )
            )
            self._remember(self._sequence, packet)
            self._sequence = (self._sequence + 1) & 0xFFFF
            packets.append(packet)
        self.packets += count
        self.octets += len(data) + 4 * count
        return packets

    def again(self, sequence: int) -> bytes | None:
        """A retransmission of a packet (RFC 4588); None if it is no longer kept."""
        packet = self._history.get(sequence)
        if packet is None or self._rtx is None:
            return packet
        payload_type, ssrc = self._rtx
        body = 16 + 4 * int.from_bytes(packet[14:16], "big")
        self._rtx_sequence = (self._rtx_sequence + 1) & 0xFFFF
        head = _HEADER.pack(
            0x90,
            packet[1] & 0x80 | payload_type,
            self._rtx_sequence,
            int.from_bytes(packet[4:8], "big"),
            ssrc,
        )
        return head + packet[12:body] + sequence.to_bytes(2, "big") + packet[body:]

    def stamp(self, packet: bytes, unix_ms: float) -> bytes:
        """The packet with its abs-send-time: 24 bits, 6.18 fixed-point seconds of NTP."""
        if not self._ids.abs_send_time:
            return packet
        send_time = (unix_ms_to_ntp(unix_ms) >> 14) & 0xFFFFFF
        return packet[:17] + send_time.to_bytes(3, "big") + packet[20:]

    def _extension(self, captured_unix_ms: float | None) -> bytes:
        """One-byte header extensions (RFC 8285); abs-send-time, set by `stamp`, is always first."""
        ids = self._ids
        body = bytes(((ids.abs_send_time << 4) | 2, 0, 0, 0)) if ids.abs_send_time else bytes(4)
        if captured_unix_ms is not None and ids.abs_capture_time:
            ntp = unix_ms_to_ntp(captured_unix_ms)
            body += bytes(((ids.abs_capture_time << 4) | 7,)) + ntp.to_bytes(8, "big") + bytes(3)
        return struct.pack("!HH", 0xBEDE, len(body) // 4) + body

    def _remember(self, sequence: int, packet: bytes) -> None:
        if len(self._order) == HISTORY:
            self._history.pop(self._order.popleft(), None)
        self._order.append(sequence)
        self._history[sequence] = packet

    def report(self, rtp: int, unix_ms: float, name: str) -> bytes:
        """A sender report and an SDES CNAME (RFC 3550, 6.4.1 and 6.5); `rtp` is the time now."""
        report = struct.pack(
            "!BBHLQLLL",
            0x80,
            SENDER_REPORT,
            6,
            self.ssrc,
            unix_ms_to_ntp(unix_ms),
            rtp & 0xFFFFFFFF,
            self.packets & 0xFFFFFFFF,
            self.octets & 0xFFFFFFFF,
        )
        text = name.encode()[:255]
        item = struct.pack("!LBB", self.ssrc, 1, len(text)) + text
        item += bytes(4 - len(item) % 4)
        return report + struct.pack("!BBH", 0x81, _DESCRIPTION, len(item) // 4) + item
