"""Offers for tests: sections that can be put together, and the answer that aiortc would give."""

from __future__ import annotations

from edge.rtc.rtp import ABS_CAPTURE_TIME, ABS_SEND_TIME
from edge.rtc.sdp import Offer, read_offer, write_answer

DIGEST = ":".join(["A5"] * 32)
TRANSPORT = f"""a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:sha-256 {DIGEST}
a=setup:actpass
"""
VIDEO = f"""m=video 9 UDP/TLS/RTP/SAVPF 96 97
c=IN IP4 0.0.0.0
a=mid:v
a=sendonly
a=rtcp-mux
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
a=rtcp-fb:* nack pli
a=rtcp-fb:96 goog-remb
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=extmap:3 {ABS_SEND_TIME}
a=extmap:4/sendonly {ABS_CAPTURE_TIME}
{TRANSPORT}"""
AUDIO = f"""m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=mid:a
a=sendonly
a=rtcp-mux
a=rtpmap:111 opus/48000/2
{TRANSPORT}"""
DATA = f"""m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=mid:d
a=sctp-port:5000
{TRANSPORT}"""
LOCAL = """v=0
o=- 4005039867 4005039867 IN IP4 0.0.0.0
s=-
t=0 0
m=video 50123 UDP/TLS/RTP/SAVPF 97
c=IN IP4 192.0.2.9
a=recvonly
a=candidate:1 1 udp 2130706431 192.0.2.9 50123 typ host
a=end-of-candidates
a=ice-ufrag:ours
a=ice-pwd:0123456789012345678901
a=fingerprint:sha-256 11:22
a=fingerprint:sha-384 33:44
a=setup:passive
"""


def offer(*sections: str, bundle: str | None = "v a d", session: str = "") -> str:
    group = f"a=group:BUNDLE {bundle}\n" if bundle is not None else ""
    return f"v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\n{group}{session}" + "".join(sections)


def video(
    formats: str, lines: str, *, head: str = "a=mid:v\na=sendonly\na=rtcp-mux\n", port: int = 9
) -> str:
    """A section with these payload types and the lines that describe them."""
    return f"m=video {port} UDP/TLS/RTP/SAVPF {formats}\nc=IN IP4 0.0.0.0\n{head}{lines}{TRANSPORT}"


def h264(parameters: str | None, number: int = 96) -> str:
    """A section that offers H264 alone, with this a=fmtp, or none."""
    fmtp = f"a=fmtp:{number} {parameters}\n" if parameters is not None else ""
    return video(str(number), f"a=rtpmap:{number} H264/90000\n{fmtp}")


def answered(text: str, local: str = LOCAL) -> tuple[Offer, str]:
    """An offer and its answer."""
    read = read_offer(text)
    return read, write_answer(read, local)


def media_lines(sdp: str) -> list[str]:
    return [line for line in sdp.splitlines() if line.startswith("m=")]
