"""Offers and trickled candidates, into the readers of SDP and the writers of what comes of it."""

from __future__ import annotations

import contextlib
import random

from aiortc.sdp import SessionDescription

from edge.rtc.guard.candidate_policy import CandidatePolicy
from edge.rtc.jitter.parameter_sets import ParameterSets, read_sprop
from edge.rtc.rtp import REPAIRED_STREAM_ID, STREAM_ID
from edge.rtc.sdp import (
    SdpError,
    read_candidates,
    read_offer,
    read_ufrags,
    violations,
    write_answer,
    write_transport_offer,
)
from edge.rtc.sdp.description import read_description
from tests.hostile.mutation import mutated
from tests.rtc.sdp.offers import AUDIO, DATA, DIGEST, LOCAL
from tests.rtc.sdp.worst_offers import worst_offers

_VIDEO = f"""v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1 a d
a=ice-options:trickle
m=video 9 UDP/TLS/RTP/SAVPF 97 98 99 100 45
c=IN IP4 0.0.0.0
a=mid:0
a=sendonly
a=rtcp-mux
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=fingerprint:sha-256 {DIGEST}
a=setup:actpass
a=extmap:1 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=rtpmap:97 VP8/90000
a=rtcp-fb:97 nack pli
a=rtpmap:98 rtx/90000
a=fmtp:98 apt=97
a=rtpmap:45 AV1/90000
a=fmtp:45 level-idx=5;profile=0;tier=0
a=rtpmap:100 VP9/90000
a=fmtp:100 profile-id=0
a=rtpmap:99 H264/90000
a=fmtp:99 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=ssrc-group:FID 1 2
a=ssrc:1 cname:x
a=candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host
a=candidate:2 1 udp 2122260223 0a1b2c3d.local 50000 typ host
"""
_SPROP = (
    "a=fmtp:99 packetization-mode=1;sprop-parameter-sets=Z0LAH9oBQBbsBEAAAAMAQAAADyM=,aM48gA==\n"
)
_SIMULCAST = f"""a=extmap:5 {STREAM_ID}
a=extmap:6 {REPAIRED_STREAM_ID}
a=rid:h send pt=97;max-width=1280;max-height=720;max-fps=30
a=rid:m send max-br=300000
a=rid:l send depend=m
a=simulcast:send h,m;~l
a=ssrc-group:SIM 1 3 4
"""
_WORST = [*worst_offers().values()]
_FRAGMENT = """a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=group:BUNDLE 0 1
m=audio 9 UDP/TLS/RTP/SAVPF 0
a=mid:0
a=candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0 ufrag abcd network-id 1
a=candidate:2 1 tcp 2122260223 2001:db8::7 9 typ host tcptype active
a=candidate:3 1 udp 1 ::ffff:127.0.0.53 50000 typ srflx raddr 10.0.0.1 rport 5
a=candidate:4 1 udp 2122260223 0a1b2c3d.local 50000 typ host
a=end-of-candidates
"""


def _shuffled(rng: random.Random, lines: list[str]) -> bytes:
    """Lines left out, repeated and moved; now and then with other bytes in them."""
    for _ in range(rng.choice((0, 1, 3))):
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        fate = rng.random()
        if fate < 0.3 and len(lines) > 1:
            del lines[at]
        elif fate < 0.6:
            lines.insert(other, lines[at])
        else:
            lines[at:at] = [lines[other]] * rng.choice((1, 50, 1500))
    raw = rng.choice(("\r\n", "\r\n", "\n")).join(lines).encode()[:64_000]
    return mutated(rng, raw) if rng.random() < 0.7 else raw


class SdpTarget:
    """Offers: simulcast, H264's parameter sets and the answer of one that is accepted included."""

    def __init__(self) -> None:
        self.suppressed = 0

    async def open(self, rng: random.Random) -> None: ...

    def make(self, rng: random.Random) -> bytes:
        if rng.random() < 0.02:
            worst = rng.choice(_WORST).encode()
            return mutated(rng, worst) if rng.random() < 0.5 else worst
        parts = [_VIDEO, *(part for part in (_SPROP, _SIMULCAST) if rng.random() < 0.5)]
        parts += [part for part in (DATA, AUDIO) if rng.random() < 0.5]
        return _shuffled(rng, "".join(parts).splitlines())

    async def feed(self, data: bytes) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return  # 400, before any of this
        with contextlib.suppress(SdpError):
            read_candidates(text)
        read_ufrags(text)
        for sets in read_sprop(text).values():
            kept = ParameterSets()
            kept.add(sets, in_band=False)
            kept.add(sets)
        try:
            offer = read_offer(text)
        except SdpError:
            return
        try:
            SessionDescription.parse(write_transport_offer(offer))
            answer = write_answer(offer, LOCAL, transport_cc=bool(offer.extensions.transport_cc))
            self.suppressed += bool(violations(offer.description, read_description(answer)))
        except Exception:  # `PeerConnection.answer` refuses the offer
            self.suppressed += 1

    async def close(self) -> None: ...


class FragmentTarget:
    """Trickled candidates, as `PeerConnection.add_candidates` reads and judges them."""

    suppressed = 0

    def __init__(self) -> None:
        self._policy = CandidatePolicy(frozenset())

    async def open(self, rng: random.Random) -> None: ...

    def make(self, rng: random.Random) -> bytes:
        return _shuffled(rng, _FRAGMENT.splitlines())

    async def feed(self, data: bytes) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return
        read_ufrags(text)
        with contextlib.suppress(SdpError):
            for candidate in read_candidates(text):
                self._policy.refusal(candidate.address, candidate.port)

    async def close(self) -> None: ...
