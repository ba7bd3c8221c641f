"""AV1 as RTP payloads (AOM's specification): real temporal units, aggregated and cut."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from tests.rtc.numbered import HEIGHT, WIDTH, numbered_picture
from tests.rtc.streams import Packet
from tests.rtc.vp9_packets import rtp_of

SEQUENCE, DELIMITER, PADDING = 1, 2, 15


@dataclass(frozen=True)
class TemporalUnit:
    """One picture as encoded: its OBUs, without sizes and delimiters."""

    number: int
    units: tuple[bytes, ...]
    keyframe: bool


def leb128(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*found, value))


def obus(data: bytes) -> list[bytes]:
    """The OBUs of a low-overhead stream, without their size fields."""
    found, at = [], 0
    while at < len(data):
        head = data[at : at + (2 if data[at] & 4 else 1)]
        at += len(head)
        size = shift = 0
        while True:
            size |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not data[at - 1] & 0x80:
                break
        found.append(bytes([head[0] & ~2]) + head[1:] + data[at : at + size])
        at += size
    return found


@functools.cache
def av1(
    count: int, keys: Sequence[int] = (0,), *, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> tuple[TemporalUnit, ...]:
    """`count` numbered pictures by SVT-AV1 without look-ahead.

    As root it gives the calling thread the real-time priority 99, which the thread's children, of
    browsers for instance, inherit and starve the machine with: it is called in a thread of its own.
    """
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(_encode, count, tuple(keys), size).result()


def _encode(count: int, keys: tuple[int, ...], size: tuple[int, int]) -> tuple[TemporalUnit, ...]:
    context = av.CodecContext.create("libsvtav1", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = *size, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 15), Fraction(15)
    context.gop_size = 1000
    options = "pred-struct=1:lookahead=0:lp=1:scd=0:rc=0"
    context.options = {"preset": "8", "crf": "25", "svtav1-params": options}
    encoded = []
    for number in range(count):
        frame = numbered_picture(number).reformat(*size)
        frame.pts, frame.time_base = number, Fraction(1, 15)
        if number in keys:
            frame.pict_type = PictureType.I
        encoded += context.encode(frame)
    encoded += context.encode(None)
    return tuple(
        TemporalUnit(
            packet.pts or 0,
            tuple(unit for unit in obus(bytes(packet)) if unit[0] >> 3 & 15 != DELIMITER),
            packet.is_keyframe,
        )
        for packet in encoded
    )


@dataclass(frozen=True)
class Style:
    """How a sender packs. `counted`: W tells the number of OBUs, so the last one has no length;
    `aggregated`: several OBUs in a packet; `sized`: with size fields, against the specification's
    advice; `delimited`: with temporal delimiters and padding, likewise."""

    counted: bool = True
    aggregated: bool = True
    sized: bool = False
    delimited: bool = False


LIBWEBRTC = Style()


def packets(
    stream: Sequence[TemporalUnit], style: Style = LIBWEBRTC, *, size: int = 300
) -> list[list[Packet]]:
    """Each picture's packets, of `size` bytes or a little more; the last has the marker."""
    sent = []
    sequence = 65_400
    for picture in stream:
        payloads = _payloads(picture, style, size)
        one = []
        for place, payload in enumerate(payloads):
            is_last = place == len(payloads) - 1
            one.append(Packet(sequence, rtp_of(picture.number), is_last, payload, "av1"))
            sequence = (sequence + 1) & 0xFFFF
        sent.append(one)
    return sent


def _payloads(picture: TemporalUnit, style: Style, size: int) -> list[bytes]:
    units = list(picture.units)
    if style.delimited:
        units = [b"\x10", *units, bytes([PADDING << 3]) + bytes(9)]
    if style.sized:
        units = [_sized(unit) for unit in units]
    # (element, it continues one, it goes on) of each packet
    filled: list[list[tuple[bytes, bool, bool]]] = [[]]
    for unit in units:
        at = 0
        while at < len(unit):
            room = size - sum(len(part) for part, _, _ in filled[-1])
            full = room < 8 or len(filled[-1]) >= 3
            if filled[-1] and (full or (at == 0 and not style.aggregated)):
                filled.append([])
                room = size
            part = unit[at : at + room]
            filled[-1].append((part, at > 0, at + len(part) < len(unit)))
            at += len(part)
    payloads = []
    for index, elements in enumerate(filled):
        begins = index == 0 and picture.keyframe
        head = 0x80 * elements[0][1] | 0x40 * elements[-1][2] | 0x08 * begins
        head |= (len(elements) << 4) * style.counted
        body = b""
        for place, (part, _, _) in enumerate(elements):
            is_last = place == len(elements) - 1
            body += part if style.counted and is_last else leb128(len(part)) + part
        payloads.append(bytes([head]) + body)
    return payloads


def _sized(unit: bytes) -> bytes:
    at = 2 if unit[0] & 4 else 1
    return bytes([unit[0] | 2]) + unit[1:at] + leb128(len(unit) - at) + unit[at:]
