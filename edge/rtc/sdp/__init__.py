"""SDP of a publisher's session (RFC 8866): offers read and judged, answers written and checked.

aiortc sees neither: it gets an offer of ours with the publisher's transport in it
(`edge.rtc.sdp.transport_offer`) and negotiates ICE, DTLS and SCTP alone.
"""

from edge.rtc.sdp.answer import MAX_MESSAGE_BYTES, announced, write_answer
from edge.rtc.sdp.answer_check import violations
from edge.rtc.sdp.candidates import (
    MAX_CANDIDATES,
    Candidate,
    read_candidates,
    read_ufrags,
)
from edge.rtc.sdp.description import MAX_CHARS
from edge.rtc.sdp.errors import SHORTAGES, SdpError, shortage
from edge.rtc.sdp.offer import Offer, read_offer
from edge.rtc.sdp.transport_offer import write_transport_offer

__all__ = [
    "MAX_CANDIDATES",
    "MAX_CHARS",
    "MAX_MESSAGE_BYTES",
    "SHORTAGES",
    "Candidate",
    "Offer",
    "SdpError",
    "announced",
    "read_candidates",
    "read_offer",
    "read_ufrags",
    "shortage",
    "violations",
    "write_answer",
    "write_transport_offer",
]
