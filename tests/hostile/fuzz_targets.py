"""The readers of a publisher's bytes, each with a generator of inputs for it."""

from __future__ import annotations

import contextlib
import json
import random
import struct
from typing import Any, ClassVar

from aioice import ice, stun
from aiortc import rtcsctptransport as sctp
from google_crc32c import value as crc32c

from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.rtc.clock.capture_clock import CaptureClock
from edge.rtc.guard.ice_guard import IceGuard
from edge.rtc.guard.sctp_guard import guard_sctp
from edge.rtc.guard.suppressed_errors import SuppressedErrors
from edge.rtc.guard.transport_guard import TransportGuard
from edge.rtc.jitter.assemblies import MAX_BYTES, MAX_PACKETS
from edge.rtc.rtp import ExtensionIds
from edge.rtc.video_receiver import VideoReceiver
from edge.session.control import control_messages
from tests.hostile.fuzz_h264 import H264Target
from tests.hostile.fuzz_http import HttpTarget
from tests.hostile.fuzz_requests import RequestTarget, WebSocketTarget
from tests.hostile.fuzz_sdp import FragmentTarget, SdpTarget
from tests.hostile.mutation import mutated
from tests.rtc.guard.sctp_packets import SilentTransport, chunk, data, forward_tsn, packet, sack

STRANGER = ("192.0.2.1", 5000)


class SctpTarget:
    """An association of aiortc's behind the guard, established or just begun."""

    def __init__(self) -> None:
        self.suppressed = 0
        self._association: Any = None
        self._guard: TransportGuard | None = None

    async def open(self, rng: random.Random) -> None:
        errors = SuppressedErrors()
        transport: Any = SilentTransport()
        association: Any = sctp.RTCSctpTransport(transport)
        association._local_tsn = association._reconfig_request_seq = 1000
        association._last_sacked_tsn = association._advanced_peer_ack_tsn = 999
        association._remote_port = 5000
        if rng.random() < 0.8:
            association._association_state = sctp.RTCSctpTransport.State.ESTABLISHED
            association._last_received_tsn = rng.choice((0, 5000, 0xFFFFFFF0))
            association._ssthresh = 1 << 17
            association._data_channel_id = 1
        else:
            await association.start(sctp.RTCSctpTransport.getCapabilities(), 5000)
        self._guard = TransportGuard(lambda code, reason: None, errors)
        guard_sctp(association, self._guard)
        self._association = association

    def make(self, rng: random.Random) -> bytes:
        received = self._association._last_received_tsn or 0
        chunks = [self._chunk(rng, received) for _ in range(rng.choice((1, 1, 1, 2, 4, 30)))]
        if rng.random() < 0.5:
            chunks = [mutated(rng, each) for each in chunks]
        tag = rng.choice((self._association._local_verification_tag,) * 9 + (0,))
        raw = packet(*chunks, tag=tag)
        if rng.random() < 0.2:
            raw = mutated(rng, raw)
            if len(raw) >= 12:
                checksum = crc32c(raw[:8] + bytes(4) + raw[12:])
                raw = raw[:8] + struct.pack("<L", checksum) + raw[12:]
        return raw

    @staticmethod
    def _chunk(rng: random.Random, received: int) -> bytes:
        kind = rng.randrange(9)
        stream = rng.choice((0, 1, 2, rng.randrange(1 << 16)))
        ahead = rng.choice((1, 1, 2, 3, rng.randrange(300), -rng.randrange(50)))
        if kind < 3:
            text = rng.choice((b"", b"x", b'{"type":"ping"}', rng.randbytes(rng.randrange(1100))))
            opening = struct.pack("!BBHLHH", 3, rng.choice((0, 0x80, 0x82)), 0, 0, 1, 0) + b"x"
            body = rng.choice((text, opening))
            protocol = rng.choice((50, 51, 53, 56, 57, 0))
            head = struct.pack("!LHHL", (received + ahead) % 2**32, stream, 0, protocol)
            return chunk(0, head + body, flags=rng.randrange(8))
        if kind == 3:
            gaps, end = [], 0
            for _ in range(rng.choice((0, 1, 3, 280))):
                first = end + rng.randrange(1, 4)
                end = first + rng.randrange(3)
                gaps.append((first, min(end, 65535)))
            return sack(rng.choice((999, 1000, 5, 990)), gaps, rng.choice((0, 0, 3)))
        if kind == 4:
            streams = [rng.randrange(100) for _ in range(rng.choice((0, 1, 4, 400)))]
            return forward_tsn(received + ahead, streams)
        if kind == 5:
            length = rng.choice((4, 4, 8, 0, 3, 12, 65535))
            body = struct.pack("!HH", rng.choice((1, 13, 16, 17, 0x8008)), length)
            parameters = (body + rng.randbytes(max(0, min(length, 40) - 4))) * rng.choice(
                (1, 2, 20)
            )
            return chunk(rng.choice((4, 5, 6, 9, 130)), parameters)
        if kind == 6:
            return chunk(rng.choice((1, 2)), struct.pack("!LLHHL", 1, 1 << 17, 2, 2, 5))
        if kind == 7:
            return data(received + ahead, stream)
        return chunk(rng.randrange(256), rng.randbytes(rng.randrange(60)))

    async def feed(self, data: bytes) -> None:
        assert self._guard is not None
        self._guard.ended = False  # the next input counts, too
        with contextlib.suppress(ConnectionError):  # ends the connection
            await self._association._handle_data(data)

    async def close(self) -> None:
        assert self._guard is not None
        self.suppressed = self._guard.errors.count
        await self._association.stop()


class StunTarget:
    """A connection of aioice's behind the guard, with one socket on loopback."""

    def __init__(self) -> None:
        self.suppressed = 0
        self._connection: Any = ice.Connection(ice_controlling=False)
        self._errors = SuppressedErrors()
        self._protocol: Any = None

    async def open(self, rng: random.Random) -> None:
        connection = self._connection
        connection.remote_username, connection.remote_password = "them", "p" * 22
        connection._early_checks_done = connection._check_list_done = True
        connection.check_start_task = lambda pair: None  # would send, and wait for replies
        await connection.get_component_candidates(1, ["127.0.0.1"])
        [self._protocol] = connection._protocols
        self._protocol.send_stun = lambda message, address: bytes(message)
        self._guard = TransportGuard(lambda code, reason: None, self._errors)
        IceGuard(connection, self._guard).attach(self._protocol)

    def make(self, rng: random.Random) -> bytes:
        request = stun.Message(stun.Method.BINDING, rng.choice(list(stun.Class)), rng.randbytes(12))
        names = (f"{self._connection.local_username}:them", "x:y", "x" * rng.randrange(900))
        possible: dict[str, Any] = {
            "USERNAME": rng.choice(names),
            "PRIORITY": rng.randrange(1 << 32),
            "ICE-CONTROLLING": rng.randrange(1 << 64),
            "ICE-CONTROLLED": rng.randrange(1 << 64),
            "USE-CANDIDATE": None,
            "XOR-MAPPED-ADDRESS": ("192.0.2.3", 9),
            "ERROR-CODE": (487, "conflict"),
            "SOFTWARE": "x" * rng.randrange(300),
        }
        for name, value in possible.items():
            if rng.random() < (0.9 if name in ("USERNAME", "PRIORITY") else 0.3):
                request.attributes[name] = value
        if rng.random() < 0.8:
            password = rng.choice((self._connection.local_password, "wrong"))
            request.add_message_integrity(password.encode())
        raw = bytes(request)
        if rng.random() < 0.5:
            raw = mutated(rng, raw)
        if rng.random() < 0.3 and len(raw) >= 20:
            raw = raw[:2] + struct.pack("!H", (len(raw) - 20) & 0xFFFF) + raw[4:]
        return raw[:2048]

    async def feed(self, data: bytes) -> None:
        self._guard._strangers._tokens = self._guard._packets._tokens = 1.0  # each is looked at
        self._protocol.datagram_received(data, ("192.0.2.1", 1 + hash(data) % 64))

    async def close(self) -> None:
        self.suppressed = self._errors.count
        await self._connection.close()


class RtpTarget:
    """The receiver of decrypted packets, decoder included; several codecs in one stream."""

    is_rtcp: ClassVar[bool] = False
    _kinds: ClassVar[tuple[int, ...]] = (97, 99, 101, 102)  # a payload type for each codec

    def __init__(self) -> None:
        self.suppressed = 0
        self._now_ms = 1e6
        self._sequence, self._packets_a_frame, self._others = 0, 5, 0.0
        self._receiver: VideoReceiver | None = None

    async def open(self, rng: random.Random) -> None:
        self._packets_a_frame = rng.choice((1, 2, 5))
        # One codec, one that changes to others now and then, or all of them mixed.
        self._others = rng.choice((0.0, 0.05, 0.5))
        self._receiver = VideoReceiver(
            codecs=dict(
                zip(self._kinds, rng.sample(("vp8", "h264", "vp9", "av1"), 4), strict=True)
            ),
            retransmissions={98: 97, 100: 99},
            extensions=ExtensionIds(1, 2, 3, 4, 5),
            send_rtcp=lambda compound: True,
            on_frame=lambda frame: None,
            on_lost=lambda rtps, reason: None,
            clock=CaptureClock(),
            estimator=BandwidthEstimator(),
            slo_ms=100.0,
            layers=rng.choice(((), (7, 8, 9))),
            pairs=rng.choice(({}, {17: 7, 18: 8})),
        )

    def make(self, rng: random.Random) -> bytes:
        # Far jumps begin a new stream, so they are few: what goes wrong needs a stream's history.
        jumps = (*(1,) * 40, 2, 2, 2, 3, 3, -1, -1, -2, 20, 998)
        self._sequence += rng.choice(jumps) if rng.random() < 0.995 else rng.randrange(1 << 16)
        kind = rng.choice((97, 97, 97, 98, 0))
        if rng.random() < self._others:
            kind = rng.choice((*self._kinds, 100))
        kind |= rng.choice((0, 0x80))
        head = struct.pack(
            "!BBHLL",
            0x80 | rng.choice((0, 0x10, 0x10, 0x20, 0x0F)),
            kind,
            self._sequence & 0xFFFF,
            3000 * (self._sequence // self._packets_a_frame) & 0xFFFFFFFF,
            rng.choice((*(7,) * 30, 8, 8, 8, 9, 17, 18)),  # layers, and their retransmissions
        )
        if head[0] & 0x10:
            layer = rng.choice((b"\x40h", b"\x50h", b"\x41hi", b"\x40\xff")) + b"\x40m\x50m\x00\x00"
            elements = rng.choice((b"\x31\x00\x05\x00", bytes(1600), b"\x50\x01" * 800, layer))
            elements = rng.choice((elements, rng.randbytes(4 * rng.randrange(12))))
            profile = rng.choice((0xBEDE, 0x1000))
            head += struct.pack("!HH", profile, len(elements) // 4) + elements
        unit = bytes([rng.choice((0x00, 0x40, 0x60)) | rng.randrange(32)])  # any kind of NAL unit
        bodies = (
            b"\x10\x00\x00\x00\x9d\x01\x2a\x10\x00\x10\x00",
            b"\x10\x01delta",
            b"\x00\x01",
            b"",
            b"\x7c\x85x",
            vp9_descriptor(rng) + rng.choice((VP9_KEY, VP9_DELTA, b"", b"\x86\x00\x40\x92")),
            av1_payload(rng),
            unit + b"\x80",
            unit + b"\x9a\x80\x00\x00",
            unit + rng.randbytes(rng.randrange(9)),
        )
        raw = head + rng.choice((*bodies, rng.randbytes(rng.randrange(1200))))
        return (mutated(rng, raw) if rng.random() < 0.4 else raw)[:2048]

    async def feed(self, data: bytes) -> None:
        assert self._receiver is not None
        self._now_ms += 3.0
        if self.is_rtcp:
            self._receiver.handle_rtcp(data, self._now_ms)
        else:
            self._receiver.handle_rtp(data, self._now_ms)
            packets, size = self._receiver.jitter.size
            assert packets <= MAX_PACKETS
            assert size <= MAX_BYTES
            assert self._receiver.jitter.units.failures == 0, "a frame could not be assembled"

    async def close(self) -> None:
        assert self._receiver is not None
        self._receiver.close()
        await self._receiver.closed()


class RtcpTarget(RtpTarget):
    is_rtcp = True

    def make(self, rng: random.Random) -> bytes:
        parts = []
        for _ in range(rng.choice((1, 1, 2, 5, 500))):
            kind, count = rng.choice((200, 201, 203, 205, 206, 207)), rng.choice((0, 1, 31))
            words = rng.choice((0, 1, 6, 6, 31))
            parts.append(struct.pack("!BBH", 0x80 | count, kind, words) + rng.randbytes(4 * words))
        raw = b"".join(parts)[:2048]
        return (mutated(rng, raw) if rng.random() < 0.5 else raw)[:2048]


VP9_KEY = bytes.fromhex("8249834200000f000f00")  # the beginning of one, 16 x 16
VP9_DELTA = bytes.fromhex("8601004092")


def vp9_descriptor(rng: random.Random) -> bytes:
    """Any of RFC 9628, whole or a little wrong."""
    head = bytearray([rng.randrange(256)])
    if head[0] & 0x80:
        head += rng.choice((b"\x05", b"\x81\x02", rng.randbytes(2)))
    if head[0] & 0x20:
        head += bytes([rng.choice((0, 0x20, 0x40, rng.randrange(256)))])
        head += b"\x07" * (not head[0] & 0x10)
    if head[0] & 0x50 == 0x50:
        head += rng.choice((b"\x02", b"\x03\x04", b"\x03\x05\x06", rng.randbytes(3)))
    if head[0] & 0x02:
        sizes = bytes([0, 16, 0, 16]) * 2
        group = bytes([2, 0x14, 1, 0x38, 1, 2])
        head += rng.choice((b"\x38" + sizes + group, b"\x08" + group, rng.randbytes(9)))
    return bytes(head)


AV1_UNITS = (
    bytes.fromhex("080000000424cfff") + bytes(8),  # a sequence header
    b"\x30\x10" + bytes(20),  # a key frame
    b"\x30\x30" + bytes(20),
    b"\x34\x08\x30" + bytes(9),  # of a spatial layer
    b"\x20" + bytes(30),  # a tile group
    b"\x32\x05\x30",  # with a size that is wrong
    b"\x12\x00",
)


def av1_payload(rng: random.Random) -> bytes:
    """OBUs aggregated, whole or cut anywhere."""
    parts = [rng.choice(AV1_UNITS) for _ in range(rng.choice((1, 1, 2, 3)))]
    counted = rng.random() < 0.7
    body = b""
    for place, part in enumerate(parts):
        cut = part[: rng.choice((len(part), len(part), rng.randrange(len(part) + 1)))]
        last = counted and place == len(parts) - 1
        body += cut if last else bytes([rng.choice((len(cut), len(cut), 0x80))]) + cut
    flags = rng.choice((0, 0, 0x08, 0x40, 0x80, 0xC0)) | (len(parts) << 4) * counted
    return bytes([flags]) + body


_MESSAGES: tuple[dict[str, Any], ...] = (
    {"type": "hello", "version": 1, "slo_ms": 100, "fps": 15, "label": "door"},
    {"type": "ping", "t0_ms": 1.5, "offset_ms": 2.5, "rtt_ms": 3.5},
    {"type": "report", "available_bps": 1e6, "back_ms": {"p50": 4.0}},
    {"type": "applied", "seq": 3},
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e308,
    10**40,
    "x",
    "",
    [],
    [[[[]]]] * 50,
    {},
    {"p50": "x"},
    "\u2028",
)


class ControlTarget:
    """Messages on the control channel."""

    suppressed = 0

    async def open(self, rng: random.Random) -> None: ...

    def make(self, rng: random.Random) -> bytes:
        message = dict(rng.choice(_MESSAGES))
        if rng.random() < 0.5:
            message[rng.choice(list(message))] = rng.choice(_VALUES)
        raw = json.dumps(message).encode()
        deep = rng.choice((b"[", b'{"type":', b"1", b'"')) * rng.randrange(1, 9000)
        raw = deep if rng.random() < 0.05 else raw
        return mutated(rng, raw) if rng.random() < 0.5 else raw

    async def feed(self, data: bytes) -> None:
        with contextlib.suppress(control_messages.ProtocolError):
            control_messages.parse(data.decode(errors="replace"))

    async def close(self) -> None: ...


TARGETS: dict[str, Any] = {
    "SCTP": SctpTarget,
    "STUN": StunTarget,
    "RTP": RtpTarget,
    "H264": H264Target,
    "RTCP": RtcpTarget,
    "SDP": SdpTarget,
    "sdpfrag": FragmentTarget,
    "control": ControlTarget,
    "HTTP": HttpTarget,
    "requests": RequestTarget,
    "WebSocket": WebSocketTarget,
}
