"""The sending side of RTP: VP8 and H264 frames to packets, and a retransmission history.

Pure: bytes, times and numbers in, bytes out.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Literal

from edge.client.rtp import h264
from edge.rtc.rtp import SENDER_REPORT, ExtensionIds, unix_ms_to_ntp

Codec = Literal["vp8", "h264"]

MAX_PAYLOAD = 1140  # bytes of a frame in a packet; under 1200 with all headers
HISTORY = 512  # packets kept for retransmission; the oldest is dropped
_DESCRIPTION = 202  # RTCP SDES

_HEADER = struct.Struct("!BBHLL")


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
        codec: Codec = "vp8",
        rtx: tuple[int, int] | None = None,
        sequence: int = 0,
    ) -> None:
        self.ssrc = ssrc
        self.packets = 0
        self.octets = 0
        self._payload_type = payload_type
        self._ids = ids
        self._codec = codec
        self._rtx = rtx
        self._sequence = sequence & 0xFFFF
        self._rtx_sequence = 0
        self._picture = 0
        self._history: dict[int, bytes] = {}
        self._order: deque[int] = deque()

    def frame(
        self, data: bytes, rtp: int, captured_unix_ms: float, *, droppable: bool
    ) -> list[bytes]:
        """A frame's packets, unstamped. H264 is a byte stream, `droppable` is told for VP8 only."""
        payloads = self._vp8(data, droppable) if self._codec == "vp8" else _h264(data)
        packets = []
        for index, payload in enumerate(payloads):
            last = index == len(payloads) - 1
            packet = b"".join(
                (
                    _HEADER.pack(
                        0x90, 0x80 * last | self._payload_type, self._sequence, rtp, self.ssrc
                    ),
                    self._extension(captured_unix_ms if index == 0 else None),
                    payload,
                )
            )
            self._remember(self._sequence, packet)
            self._sequence = (self._sequence + 1) & 0xFFFF
            packets.append(packet)
        self.packets += len(payloads)
        self.octets += sum(map(len, payloads))
        return packets

    def _vp8(self, data: bytes, droppable: bool) -> list[bytes]:
        """A VP8 frame's payloads (RFC 7741), about equal in size."""
        picture = 0x8000 | self._picture
        self._picture = (self._picture + 1) & 0x7FFF
        flags = 0x80 | 0x20 * droppable
        count = -(-len(data) // MAX_PAYLOAD)
        size = -(-len(data) // count)
        return [
            struct.pack("!BBH", flags | 0x10 * (index == 0), 0x80, picture)
            + data[index * size : (index + 1) * size]
            for index in range(count)
        ]

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


def _h264(stream: bytes) -> list[bytes]:
    """A byte stream's payloads (RFC 6184, packetization mode 1)."""
    return [
        payload for unit in h264.units_of(stream) for payload in h264.payloads(unit, MAX_PAYLOAD)
    ]
