"""RTP and RTCP as bytes: parses a publisher's packets, builds a receiver's feedback."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
ABS_CAPTURE_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
STREAM_ID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_STREAM_ID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"

SENDER_REPORT = 200
RECEIVER_REPORT = 201
GOODBYE = 203
TRANSPORT_FEEDBACK = 205
PAYLOAD_FEEDBACK = 206

RTP_PER_MS = 90.0  # ticks of every video codec's RTP clock
SEND_TIME_MS = 1000.0 / (1 << 18)  # one step of abs-send-time, seconds in 6.18 fixed point
MAX_NACKED = 253  # sequence numbers in one message, so that it fits a datagram
_NTP_UNIX_S = 2_208_988_800  # seconds from NTP's epoch (1900) to Unix's (1970)

_HEADER = struct.Struct("!BBHLL")
_EXTENSION = struct.Struct("!HH")
_SENDER_INFO = struct.Struct("!LQLLL")
_REPORT = struct.Struct("!LLLLLL")


@dataclass(frozen=True, slots=True)
class ExtensionIds:
    """The header extension ids of one connection, 0 where one was not negotiated (RFC 8285)."""

    abs_send_time: int = 0
    abs_capture_time: int = 0
    transport_cc: int = 0
    stream_id: int = 0
    repaired_stream_id: int = 0


@dataclass(slots=True)
class RtpPacket:
    """One RTP packet (RFC 3550, section 5.1).

    `send_time` is abs-send-time: 24 bits, seconds in 6.18 fixed point. `capture_ntp` is
    abs-capture-time: NTP in Q32.32. `transport_number` counts all packets of the transport.
    `stream_id` names the layer of a simulcast, or that of a retransmission (RFC 8852); senders
    stop saying so once a report has reached them.
    `size` is the whole packet in bytes, after SRTP.
    """

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    size: int
    send_time: int | None = None
    capture_ntp: int | None = None
    transport_number: int | None = None
    stream_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class SenderReport:
    """The sender's pairing of its wall clock and its RTP clock (RFC 3550, section 6.4.1)."""

    ssrc: int
    ntp: int
    rtp: int


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The sources that will send no more (RFC 3550, section 6.6)."""

    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """A receiver report's block about one source (RFC 3550, section 6.4.1).

    `fraction_lost` is 0..1 since the last report, `jitter` in RTP clock units, `last_report` the
    middle 32 bits of the sender report's NTP time, `delay_ms` the time since its arrival.
    """

    ssrc: int
    fraction_lost: float
    lost: int
    highest_sequence: int
    jitter: int
    last_report: int
    delay_ms: float


def ntp_to_unix_ms(ntp: int) -> float:
    """NTP time in Q32.32 as milliseconds since 1970."""
    return (ntp / 4294967296.0 - _NTP_UNIX_S) * 1000.0


def unix_ms_to_ntp(unix_ms: float) -> int:
    """Milliseconds since 1970 as NTP time in Q32.32."""
    return int((unix_ms / 1000.0 + _NTP_UNIX_S) * 4294967296.0)


def is_rtcp(datagram: bytes) -> bool:
    """Whether a datagram of RTP or RTCP on one port is RTCP (RFC 5761, section 4)."""
    return len(datagram) > 1 and 192 <= datagram[1] <= 223


def parse_rtp(data: bytes, ids: ExtensionIds) -> RtpPacket | None:
    """The packet in `data`, or None where it is malformed."""
    size = len(data)
    if size < 12:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2:
        return None
    start = 12 + 4 * (first & 0x0F)
    end = size
    if first & 0x20:  # padding: the last byte is its length
        padding = data[-1]
        if padding == 0:
            return None
        end -= padding
    extension: tuple[int, int, int] | None = None
    if first & 0x10:
        if start + 4 > size:
            return None
        profile, words = _EXTENSION.unpack_from(data, start)
        start += 4
        extension = (profile, start, start + 4 * words)
        start += 4 * words
    if start > end:
        return None
    packet = RtpPacket(
        payload_type=second & 0x7F,
        marker=second > 0x7F,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=data[start:end],
        size=size,
    )
    if extension is not None:
        _read_extensions(packet, data, extension, ids)
    return packet


def _read_extensions(
    packet: RtpPacket, data: bytes, where: tuple[int, int, int], ids: ExtensionIds
) -> None:
    profile, at, end = where
    one_byte = profile == 0xBEDE
    if not one_byte and profile & 0xFFF0 != 0x1000:
        return
    while at < end:
        head = data[at]
        at += 1
        if head == 0:  # padding between elements
            continue
        if one_byte:
            identity, length = head >> 4, (head & 0x0F) + 1
            if identity == 15:
                return
        else:
            if at >= end:
                return
            identity, length = head, data[at]
            at += 1
        if at + length > end:
            return  # truncated; the elements before it are valid
        if identity == ids.abs_send_time and length == 3:
            packet.send_time = int.from_bytes(data[at : at + 3], "big")
        elif identity == ids.abs_capture_time and length >= 8:
            packet.capture_ntp = int.from_bytes(data[at : at + 8], "big")
        elif identity == ids.transport_cc and length == 2:
            packet.transport_number = int.from_bytes(data[at : at + 2], "big")
        elif identity in (ids.stream_id, ids.repaired_stream_id) and length > 0:
            packet.stream_id = data[at : at + length]
        at += length


def unwrap_rtx(packet: RtpPacket, payload_type: int, ssrc: int) -> RtpPacket | None:
    """The original of a retransmission (RFC 4588, section 4), None for padding of a probe."""
    if len(packet.payload) < 2:
        return None
    return RtpPacket(
        payload_type=payload_type,
        marker=packet.marker,
        sequence=int.from_bytes(packet.payload[:2], "big"),
        timestamp=packet.timestamp,
        ssrc=ssrc,
        payload=packet.payload[2:],
        size=packet.size,
        capture_ntp=packet.capture_ntp,
    )


def parse_rtcp(data: bytes) -> Iterator[SenderReport | Goodbye]:
    """The parts of a compound packet that a receiver uses, up to the first malformed one."""
    at, size = 0, len(data)
    while at + 4 <= size:
        first, kind, words = data[at], data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > size:
            return
        if kind == SENDER_REPORT and words >= 6:
            ssrc, ntp, rtp, _, _ = _SENDER_INFO.unpack_from(data, at + 4)
            yield SenderReport(ssrc, ntp, rtp)
        elif kind == GOODBYE and words >= first & 0x1F:
            count = first & 0x1F
            yield Goodbye(struct.unpack_from(f"!{count}L", data, at + 4))
        at = end


def rtcp(kind: int, count: int, body: bytes) -> bytes:
    """One part of a compound packet. `body` is in whole words; `count` may be a feedback format."""
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def receiver_report(ssrc: int, blocks: Sequence[ReportBlock] = ()) -> bytes:
    """A receiver report (RFC 3550, section 6.4.2); at most 31 blocks."""
    body = struct.pack("!L", ssrc)
    for block in blocks:
        fraction = min(255, max(0, int(block.fraction_lost * 256)))
        lost = min(0x7FFFFF, max(-0x800000, block.lost)) & 0xFFFFFF
        delay = min(0xFFFFFFFF, max(0, int(block.delay_ms * 65.536)))
        body += _REPORT.pack(
            block.ssrc,
            fraction << 24 | lost,
            block.highest_sequence & 0xFFFFFFFF,
            min(0xFFFFFFFF, max(0, block.jitter)),
            block.last_report & 0xFFFFFFFF,
            delay,
        )
    return rtcp(RECEIVER_REPORT, len(blocks), body)


def nack(ssrc: int, media_ssrc: int, sequences: Sequence[int]) -> bytes:
    """A generic NACK (RFC 4585, section 6.2.1) for up to `MAX_NACKED` 16-bit numbers, in order."""
    body = struct.pack("!LL", ssrc, media_ssrc)
    pending = list(sequences[:MAX_NACKED])
    while pending:
        first, mask, rest = pending[0], 0, []
        for sequence in pending[1:]:
            distance = (sequence - first - 1) & 0xFFFF
            if distance < 16:
                mask |= 1 << distance
            else:
                rest.append(sequence)
        body += struct.pack("!HH", first, mask)
        pending = rest
    return rtcp(TRANSPORT_FEEDBACK, 1, body)


def picture_loss(ssrc: int, media_ssrc: int) -> bytes:
    """A picture loss indication: a request for a key frame (RFC 4585, section 6.3.1)."""
    return rtcp(PAYLOAD_FEEDBACK, 1, struct.pack("!LL", ssrc, media_ssrc))


def remb(ssrc: int, media_ssrc: int, bitrate_bps: float) -> bytes:
    """Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03, section 2.2)."""
    mantissa, exponent = max(0, int(bitrate_bps)), 0
    while mantissa > 0x3FFFF:
        mantissa >>= 1
        exponent += 1
    word = 1 << 24 | min(63, exponent) << 18 | mantissa
    return rtcp(PAYLOAD_FEEDBACK, 15, struct.pack("!LL4sLL", ssrc, 0, b"REMB", word, media_ssrc))
