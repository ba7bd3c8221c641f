"""What the jitter buffer decides, and what it has counted."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.rtc.jitter.frames import EncodedFrame


@dataclass(slots=True)
class JitterBufferOutput:
    """What to do now: frames to decode, frames (rtp) given up, packets and pictures to ask for."""

    frames: list[EncodedFrame] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    nack: list[int] = field(default_factory=list)
    keyframe: bool = False


@dataclass(slots=True)
class ReceptionCounts:
    """Packets and frames since the start.

    `missed` packets were shown by later ones to be missing, `nacked` is how often one was asked
    for, `recovered` how many came after that. `late` ones came after they were given up. `bytes`
    are all of RTP that came, headers and retransmissions included.
    """

    packets: int = 0
    duplicates: int = 0
    late: int = 0
    missed: int = 0
    nacked: int = 0
    recovered: int = 0
    keyframe_requests: int = 0
    frames: int = 0
    frames_lost: int = 0
    resets: int = 0
    bytes: int = 0
