"""A frame's three forms on the way in: being assembled, encoded and whole, decoded."""

from __future__ import annotations

from dataclasses import dataclass, field

import av

from edge.rtc.jitter.depacketizer import Payload


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One whole frame, for the decoder.

    `rtp` is the raw 32-bit timestamp, `bytes` what its packets took, `width` and `height` are 0
    where only the decoder can tell. Times in ms: first packet in, last packet in.
    """

    rtp: int
    data: bytes
    keyframe: bool
    packets: int
    bytes: int
    first_packet_ms: float
    received_ms: float
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """One decoded picture and how it came.

    `rtp` is the raw 32-bit timestamp, `image` in 8-bit YUV 4:2:0 (yuv420p or yuvj420p), `bytes`
    and `packets` what it took on the wire. Times are the server's monotonic clock in ms: captured
    (from `clock_source`), first and last packet in, decoded.
    """

    rtp: int
    image: av.VideoFrame
    width: int
    height: int
    keyframe: bool
    bytes: int
    packets: int
    captured_ms: float
    first_packet_ms: float
    received_ms: float
    decoded_ms: float
    clock_source: str = ""


@dataclass(slots=True, eq=False)
class Assembly:
    """A frame whose packets are coming in, by unwrapped sequence number."""

    rtp: int
    first_ms: float
    last_ms: float
    packets: dict[int, Payload] = field(default_factory=dict)
    first: int | None = None  # its outermost packets, once certain
    last: int | None = None
    highest: int = 0  # of the numbers that came
    lowest: float = float("inf")
    bytes: int = 0
    keyframe: bool = False
    delta: bool = False
    droppable: bool = False
    damaged: bool = False
    dead: bool = False  # served or given up
