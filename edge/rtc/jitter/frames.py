"""The two forms of a frame before decoding, being assembled and encoded, and what ends them."""

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

    @property
    def has_start(self) -> bool:
        """Whether the packet that a decoder can begin with has come."""
        first = self.packets.get(self.first if self.first is not None else -1)
        return first is not None and first.starts

    def is_followed(self, newest: Assembly, number: int, media: Payload | None) -> bool:
        """Whether a packet with this frame's timestamp is another frame's.

        A frame's packets are neighbours: `newest`, the frame of the highest number, may stand
        between. Else its marker must have come, and the packet must begin a picture.
        """
        if newest is not self:
            return number > newest.lowest > self.highest
        begins = media is not None and media.first and (media.keyframe or media.delta)
        return begins and self.last is not None and number > self.last


@dataclass(slots=True)
class JitterBufferOutput:
    """Frames to decode, frames given up (by RTP timestamp), packets and a key frame to request.

    `started_over`: the sequence number that the sender went on with after a jump.
    """

    frames: list[EncodedFrame] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    nack: list[int] = field(default_factory=list)
    keyframe: bool = False
    started_over: int | None = None
