"""Real encoded video, cut into RTP payloads."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from edge.rtc.jitter.depacketizer import Payload, depacketize

_ENCODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9", "h264": "libx264"}
PER_FRAME = 6000  # RTP clock units at 15 frames a second
FRAME_MS = PER_FRAME / 90.0


@dataclass(frozen=True)
class Encoded:
    """One frame as the encoder made it."""

    data: bytes
    keyframe: bool


@dataclass(frozen=True)
class Packet:
    """One packet of a stream, before it has a header."""

    sequence: int
    rtp: int
    marker: bool
    payload: bytes
    codec: str = "vp8"

    @property
    def media(self) -> Payload | None:
        return _media(self.codec, self.payload) if self.payload else None


@functools.lru_cache(maxsize=4096)
def _media(codec: str, payload: bytes) -> Payload | None:
    return depacketize(codec, payload)


def picture(index: int, width: int, height: int) -> av.VideoFrame:
    """A grey ramp with a bright square that moves with `index`."""
    y = np.fromfunction(lambda r, c: 40 + (r + c) % 100, (height, width)).astype(np.uint8)
    long_side = max(2, min(width, height) // 4)
    left = (5 * index) % max(1, width - long_side)
    y[:long_side, left : left + long_side] = 230
    rgb = np.repeat(y[:, :, None], 3, axis=2)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
    frame.pts = index
    frame.time_base = Fraction(1, 15)
    return frame


def encode(
    codec: str, count: int, width: int = 160, height: int = 120, keys: Sequence[int] = (0,)
) -> list[Encoded]:
    """`count` frames by libvpx or x264 in real-time mode, key frames where `keys` says."""
    return list(_encode(codec, count, (width, height), tuple(keys)))


def encode_as(pixels: str, count: int) -> list[Encoded]:
    """H264 in another pixel format than 4:2:0 of 8 bits, 160 x 120."""
    return list(_encode("h264", count, (160, 120), (0,), pixels))


@functools.cache
def _encode(
    codec: str, count: int, size: tuple[int, int], keys: tuple[int, ...], pixels: str = "yuv420p"
) -> tuple[Encoded, ...]:
    width, height = size
    context = av.CodecContext.create(_ENCODERS[codec], "w")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1  # several would wait for each other busily
    context.width, context.height = width, height
    context.pix_fmt = pixels
    context.bit_rate = 600_000
    context.time_base = Fraction(1, 15)
    context.gop_size = 1000
    context.options = (
        # A negative speed is a fixed one: else libvpx adapts it to the time that a picture took.
        {"deadline": "realtime", "cpu-used": "-8", "lag-in-frames": "0", "error-resilient": "1"}
        if codec != "h264"
        else {"tune": "zerolatency", "preset": "ultrafast", "x264-params": "scenecut=0"}
    )
    if codec == "h264" and pixels == "yuv420p":
        context.profile = "Baseline"
    encoded = []
    for index in range(count):
        frame = picture(index, width, height).reformat(format=pixels)
        if index in keys:
            frame.pict_type = PictureType.I
        (packet,) = context.encode(frame)
        encoded.append(Encoded(bytes(packet), packet.is_keyframe))
    return tuple(encoded)


def packetise(
    codec: str,
    frames: Iterable[Encoded],
    *,
    size: int = 200,
    sequence: int = 100,
    rtp: int = 1000,
) -> list[list[Packet]]:
    """Each frame's packets, of `size` bytes or a little more; the last has the marker."""
    stream: list[list[Packet]] = []
    for frame in frames:
        cut = _CUTS[codec](frame, size)
        packets = []
        for index, payload in enumerate(cut):
            packets.append(Packet(sequence, rtp, index == len(cut) - 1, payload, codec))
            sequence = (sequence + 1) & 0xFFFF
        stream.append(packets)
        rtp = (rtp + PER_FRAME) & 0xFFFFFFFF
    return stream


def _parts(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def _vp9(frame: Encoded, size: int) -> list[bytes]:
    """Without picture ids and layers; for those see `tests.rtc.vp9_packets`."""
    parts = _parts(frame.data, size)
    predicted = 0x40 * (not frame.keyframe)
    marks = [0x08 * (at == 0) | 0x04 * (at == len(parts) - 1) for at in range(len(parts))]
    return [bytes([predicted | mark]) + part for mark, part in zip(marks, parts, strict=True)]


def _vp8(frame: Encoded, size: int) -> list[bytes]:
    parts = _parts(frame.data, size)
    return [bytes([0x10 if index == 0 else 0x00]) + part for index, part in enumerate(parts)]


def units(data: bytes) -> list[bytes]:
    """NAL units of an Annex B byte stream."""
    parts = data.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")
    return [part for part in parts if part]


def _h264(frame: Encoded, size: int) -> list[bytes]:
    payloads: list[bytes] = []
    small: list[bytes] = []  # parameter sets travel together
    for unit in units(frame.data):
        if unit[0] & 0x1F in (7, 8):
            small.append(unit)
            continue
        if small:
            body = b"".join(len(part).to_bytes(2, "big") + part for part in small)
            payloads.append(bytes([0x60 | 24]) + body)
            small = []
        if len(unit) <= size:
            payloads.append(unit)
            continue
        indicator, kind = unit[0] & 0xE0 | 28, unit[0] & 0x1F
        parts = [unit[at : at + size] for at in range(1, len(unit), size)]
        for index, part in enumerate(parts):
            flags = (0x80 if index == 0 else 0) | (0x40 if index == len(parts) - 1 else 0)
            payloads.append(bytes([indicator, flags | kind]) + part)
    return payloads


_CUTS = {"vp8": _vp8, "vp9": _vp9, "h264": _h264}
