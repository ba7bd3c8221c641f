"""A receiver's RTCP feedback as its sender reads it. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from edge.rtc.rtp import PAYLOAD_FEEDBACK, TRANSPORT_FEEDBACK

_PICTURE_LOSS, _FULL_INTRA, _REMB, _NACK = 1, 4, 15, 1  # feedback message types


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
