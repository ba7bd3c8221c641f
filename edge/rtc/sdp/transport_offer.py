"""The offer that aiortc gets: a VP8 section, one for data channels, the publisher's transport.

aiortc would refuse, or answer with types that were never offered, what it does not know: H264
profiles, payload types below 96, sections without direction. None of that concerns ICE, DTLS or
SCTP, which are all that is left to it.
"""

from __future__ import annotations

from edge.rtc.sdp.offer import Offer

VIDEO_MID, DATA_MID = "0", "1"

_HEAD = ("v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0")
_VIDEO = (
    "m=video 9 UDP/TLS/RTP/SAVPF 97",
    "c=IN IP4 0.0.0.0",
    f"a=mid:{VIDEO_MID}",
    "a=sendonly",
    "a=rtcp-mux",
    "a=rtpmap:97 VP8/90000",
)
_DATA = (
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    f"a=mid:{DATA_MID}",
)


def write_transport_offer(offer: Offer) -> str:
    """The description for aiortc, without candidates."""
    transport = offer.transport
    shared = [
        f"a=ice-ufrag:{transport.ufrag}",
        f"a=ice-pwd:{transport.password}",
        *(f"a=fingerprint:{each.algorithm} {each.digest}" for each in transport.fingerprints),
        "a=setup:active" if transport.role == "passive" else "a=setup:passive",
    ]
    lines = [*_HEAD, *(["a=ice-lite"] if transport.ice_lite else [])]
    mids = [VIDEO_MID, *([DATA_MID] if offer.data is not None else [])]
    lines += ["a=group:BUNDLE " + " ".join(mids), *_VIDEO, *shared]
    if offer.data is not None:
        lines += [*_DATA, f"a=sctp-port:{offer.data.port}"]
        lines += [f"a=max-message-size:{offer.data.max_message_bytes}", *shared]
    return "\r\n".join(lines) + "\r\n"
