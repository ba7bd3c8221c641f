"""Real H264 whose packets, units and numbers are changed: every way there is to cut and mark it."""

from __future__ import annotations

import random
import struct

from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.rtc.clock.capture_clock import CaptureClock
from edge.rtc.rtp import ExtensionIds
from edge.rtc.video_receiver import VideoReceiver
from tests.hostile.mutation import mutated
from tests.rtc.h264_senders import SENDERS, aggregated, fragments, packets
from tests.rtc.numbered import x264

_STREAMS = ("", "slices=4", "aud=1:slices=2", "intra-refresh=1:keyint=8", "bframes=2")
_PICTURES = 24
_RECOVERY_POINT = b"\x06\x06\x01\xc4\x80"  # SEI: complete after 0 frames


class H264Target:
    """A receiver of one stream: lost, repeated, late and damaged packets, units of other senders,
    recovery points, and numbers that start over."""

    suppressed = 0

    def __init__(self) -> None:
        self._now_ms = 1e6
        self._receiver: VideoReceiver | None = None
        self._datagrams: list[bytes] = []
        self._next = 0

    async def open(self, rng: random.Random) -> None:
        stream = x264(_PICTURES, rng.choice(_STREAMS), keys=(0, 12))
        sets = [unit for unit in stream[0].units if unit[0] & 0x1F in (7, 8)]
        sender = SENDERS[rng.choice(sorted(SENDERS))]
        self._datagrams = [
            struct.pack("!BBHLL", 0x80, 97 | 0x80 * each.marker, each.sequence, each.rtp, 7)
            + each.payload
            for picture in packets(stream, sender, sequence=rng.choice((0, 65_400)))
            for each in picture
        ]
        self._next = 0
        given = [mutated(rng, each) for each in sets] if rng.random() < 0.3 else []
        self._receiver = VideoReceiver(
            codecs={97: "h264"},
            retransmissions={98: 97},
            extensions=ExtensionIds(),
            send_rtcp=lambda compound: True,
            on_frame=lambda frame: None,
            on_lost=lambda rtps, reason: None,
            clock=CaptureClock(),
            estimator=BandwidthEstimator(),
            slo_ms=100.0,
            parameter_sets={97: given},
            layers=rng.choice(((), (7, 8))),
        )

    def make(self, rng: random.Random) -> bytes:
        jump = rng.choice((-3, -1, 0, 2, 3)) if rng.random() < 0.03 else 1
        self._next = max(0, self._next + jump)
        raw = self._datagrams[self._next % len(self._datagrams)]
        number = struct.unpack_from("!H", raw, 2)[0]
        if self._next >= len(self._datagrams):  # the stream again: numbers continue, or start over
            number += len(self._datagrams) * rng.choice((1, 1, 1, 0))
        if rng.random() < 0.005:
            number = rng.randrange(1 << 16)
        raw = raw[:2] + struct.pack("!H", number & 0xFFFF) + raw[4:]
        if rng.random() < 0.1:  # of another layer
            raw = raw[:8] + struct.pack("!L", 8) + raw[12:]
        fate = rng.random()
        if fate < 0.03:
            raw = raw[:12] + self._payload(rng, raw[12:])
        elif fate < 0.05:  # a retransmission
            raw = raw[:1] + bytes([raw[1] & 0x80 | 98]) + raw[2:12] + raw[2:4] + raw[12:]
        elif fate < 0.07:
            raw = raw[:1] + bytes([raw[1] ^ 0x80]) + raw[2:]
        elif fate < 0.1:
            raw = raw[:12] + mutated(rng, raw[12:])
        elif fate < 0.11:
            raw = mutated(rng, raw)
        return raw[:2048]

    @staticmethod
    def _payload(rng: random.Random, payload: bytes) -> bytes:
        """Units that a sender might put there."""
        unit = bytes([rng.choice((0x00, 0x40, 0x60)) | rng.randrange(32)])
        unit += rng.randbytes(rng.randrange(40))
        some = [_RECOVERY_POINT, mutated(rng, _RECOVERY_POINT), b"\x09\xf0", unit, payload]
        rng.shuffle(some)
        fate = rng.random()
        if fate < 0.4:
            return some[0]
        if fate < 0.7:
            return aggregated(some[: rng.randrange(1, 6)])
        cut = fragments(unit + bytes(30), 8, end_bit=rng.random() < 0.5)
        return rng.choice(cut)

    async def feed(self, data: bytes) -> None:
        assert self._receiver is not None
        self._now_ms += 3.0
        self._receiver.handle_rtp(data, self._now_ms)

    async def close(self) -> None:
        assert self._receiver is not None
        self._receiver.close()
        await self._receiver.closed()
