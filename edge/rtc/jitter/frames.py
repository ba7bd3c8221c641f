"""The two forms of a frame before decoding: being assembled, and encoded."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.rtc.jitter.depacketizer import Payload


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One complete frame (an access unit) for the decoder.

    `rtp` is the raw 32-bit timestamp; `width` and `height` are 0 where only the decoder can tell;
    `droppable` means that no other frame refers to this one.
    Times in ms on the server's monotonic clock: first packet received, last packet received.
    """

    rtp: int
    data: bytes
    keyframe: bool
    first_packet_ms: float
    received_ms: float
    width: int = 0
    height: int = 0
    droppable: bool = False


@dataclass(slots=True, eq=False)
class Assembly:
    """A frame whose packets are arriving, by unwrapped sequence number."""

    rtp: int
    first_ms: float
    last_ms: float
    packets: dict[int, Payload] = field(default_factory=dict)
    first: int | None = None  # its first and last packet, once known for certain
    last: int | None = None
    highest: int = 0  # of the packets that came
    lowest: float = float("inf")
    bytes: int = 0
    keyframe: bool = False
    delta: bool = False
    droppable: bool = False
    damaged: bool = False
    finished: bool = False  # served or given up
