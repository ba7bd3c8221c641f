"""VP9 as RTP payloads (RFC 9628, section 4.2): real frames cut, with whatever descriptor."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from tests.rtc.numbered import HEIGHT, WIDTH, numbered_picture
from tests.rtc.streams import PER_FRAME, Packet

FIRST_RTP = 90_000


@dataclass(frozen=True)
class Picture:
    """One picture as encoded: its spatial layers' frames, its temporal layer, its references as
    how many pictures ago they are."""

    number: int
    frames: tuple[bytes, ...]
    keyframe: bool
    temporal: int = 0
    differences: tuple[int, ...] = (1,)
    width: int = WIDTH
    height: int = HEIGHT


@functools.cache
def vp9(
    count: int,
    keys: Sequence[int] = (0,),
    *,
    layers: int = 1,
    first: int = 0,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> tuple[Picture, ...]:
    """`count` numbered pictures by libvpx in real-time mode, of 1 to 3 temporal layers."""
    context = av.CodecContext.create("libvpx-vp9", "w")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1  # several would wait for each other busily
    context.width, context.height, context.pix_fmt = *size, "yuv420p"
    context.bit_rate = 600_000
    context.time_base, context.framerate = Fraction(1, 15), Fraction(15)
    context.gop_size = 1000
    context.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    if layers > 1:
        rates = {2: "360,600", 3: "240,360,600"}[layers]
        factors = {2: "2,1", 3: "4,2,1"}[layers]
        context.options |= {
            "error-resilient": "1",
            "ts-parameters": f"ts_number_layers={layers}:ts_target_bitrate={rates}"
            f":ts_rate_decimator={factors}:ts_periodicity={2 ** (layers - 1)}"
            f":ts_layering_mode={layers}",
        }
    pictures = []
    since_key = 0
    for number in range(first, first + count):
        frame = numbered_picture(number).reformat(*size)
        frame.pts, frame.time_base = number, Fraction(1, 15)
        if number in keys:
            frame.pict_type = PictureType.I
        (packet,) = context.encode(frame)
        since_key = 0 if packet.is_keyframe else since_key + 1
        temporal, differences = _PATTERNS[layers][since_key % len(_PATTERNS[layers])]
        pictures.append(
            Picture(number, (bytes(packet),), packet.is_keyframe, temporal, differences, *size)
        )
    return tuple(pictures)


# (temporal layer, references) of each picture of a group, as libwebrtc tells them.
_PATTERNS: dict[int, tuple[tuple[int, tuple[int, ...]], ...]] = {
    1: ((0, (1,)),),
    2: ((0, (2,)), (1, (1,))),
    3: ((0, (4,)), (2, (1,)), (1, (2,)), (2, (1, 2))),
}


@dataclass(frozen=True)
class Descriptor:
    """How a sender describes its pictures. `id_bits`: 0, 7 or 15. `structured`: with the
    scalability structure in key frames, with the group of pictures where it is not flexible."""

    id_bits: int = 15
    layered: bool = True
    flexible: bool = False
    structured: bool = True
    first_id: int = 32_760


CHROMIUM = Descriptor()
FLEXIBLE = Descriptor(flexible=True)
SHORT_IDS = Descriptor(id_bits=7, first_id=120)
BARE = Descriptor(id_bits=0, layered=False, structured=False)
ID_ALONE = Descriptor(layered=False, structured=False)


def rtp_of(number: int) -> int:
    return (FIRST_RTP + number * PER_FRAME) & 0xFFFFFFFF


def packets(
    pictures: Sequence[Picture],
    descriptor: Descriptor = CHROMIUM,
    *,
    size: int = 300,
    sequence: int = 65_400,
    layers: int = 1,
) -> list[list[Packet]]:
    """Each picture's packets; the last one has the marker."""
    sent = []
    tl0 = 0
    for index, picture in enumerate(pictures):
        tl0 = (tl0 + (picture.temporal == 0)) & 0xFF
        payloads = []
        for spatial, data in enumerate(picture.frames):
            parts = [data[at : at + size] for at in range(0, len(data), size)]
            for place, part in enumerate(parts):
                head = _head(descriptor, picture, index, spatial, tl0)
                head[0] |= 0x08 * (place == 0) | 0x04 * (place == len(parts) - 1)
                head[0] |= 0x02 * (_has_structure(descriptor, picture) and place == spatial == 0)
                if head[0] & 0x02:
                    head += _structure(descriptor, picture, layers)
                payloads.append(bytes(head) + part)
        one = []
        for place, payload in enumerate(payloads):
            is_last = place == len(payloads) - 1
            one.append(Packet(sequence, rtp_of(picture.number), is_last, payload, "vp9"))
            sequence = (sequence + 1) & 0xFFFF
        sent.append(one)
    return sent


def _has_structure(descriptor: Descriptor, picture: Picture) -> bool:
    return descriptor.structured and picture.keyframe


def _head(
    descriptor: Descriptor, picture: Picture, index: int, spatial: int, tl0: int
) -> bytearray:
    """The descriptor of a packet, without marks of a layer frame's beginning and end."""
    predicted = not picture.keyframe
    flags = 0x80 * bool(descriptor.id_bits) | 0x40 * predicted | 0x20 * descriptor.layered
    flags |= 0x10 * descriptor.flexible
    head = bytearray([flags])
    number = descriptor.first_id + index
    if descriptor.id_bits == 7:
        head += bytes([number & 0x7F])
    elif descriptor.id_bits:
        head += (0x8000 | number & 0x7FFF).to_bytes(2, "big")
    if descriptor.layered:
        depends = spatial > 0 and picture.keyframe
        head += bytes([picture.temporal << 5 | 0x10 | spatial << 1 | depends])
        if not descriptor.flexible:
            head += bytes([tl0])
    if descriptor.flexible and predicted:
        last = len(picture.differences) - 1
        head += bytes(each << 1 | (at < last) for at, each in enumerate(picture.differences))
    return head


def _structure(descriptor: Descriptor, picture: Picture, layers: int) -> bytes:
    count = len(picture.frames)
    has_group = not descriptor.flexible
    data = bytes([(count - 1) << 5 | 0x10 | 0x08 * has_group])
    for spatial in range(count):
        shift = count - 1 - spatial
        data += (picture.width >> shift).to_bytes(2, "big")
        data += (picture.height >> shift).to_bytes(2, "big")
    if has_group:
        pattern = _PATTERNS[layers]
        data += bytes([len(pattern)])
        for temporal, differences in pattern:
            data += bytes([temporal << 5 | 0x10 | len(differences) << 2, *differences])
    return data
