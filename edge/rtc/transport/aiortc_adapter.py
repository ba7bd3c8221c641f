"""aiortc's and aioice's private names, which only the modules beside this one and
`edge.rtc.guard` touch.

aiortc keeps ICE, DTLS, SRTP's keys and SCTP; RTP and RTCP are taken off the socket before its own
receiver sees them. `check` compares the installed versions with the expected ones at start-up.
"""

from __future__ import annotations

import asyncio
import errno
import importlib.metadata
import random
import socket
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any, cast

from aioice import candidate as candidates
from aioice import ice, turn
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceCandidate, RTCIceTransport
from aiortc.rtcpeerconnection import RTCPeerConnection
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtcrtpsender import RTCRtpSender
from aiortc.rtcrtptransceiver import RTCRtpTransceiver
from aiortc.rtcsctptransport import RTCSctpTransport

from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.rtc.guard.ice_guard import IceGuard
from edge.rtc.guard.sctp_guard import guard_sctp, meter_dtls
from edge.rtc.guard.suppressed_errors import SuppressedErrors
from edge.rtc.guard.transport_guard import TransportGuard
from edge.rtc.rtp import is_rtcp
from edge.rtc.sdp import Candidate
from edge.rtc.transport.dtls import adapt_dtls
from edge.rtc.transport.early_packets import EarlyPackets

VERSIONS = {"aiortc": "1.16.0", "aioice": "0.13.0"}
MAX_DATAGRAMS = 512  # DTLS datagrams unread; the newest is dropped, and DTLS and SCTP resend it
_COMPONENT = 1  # of ICE: RTP, and everything multiplexed with it
_GATHER_S = 1.0  # a silent STUN server must not delay the SDP answer by aioice's 5 s

# Methods by class, attributes that its constructor sets, and functions by module.
_METHODS: dict[type, tuple[str, ...]] = {
    RTCCertificate: ("_create_ssl_context",),
    RTCDtlsTransport: ("_set_state", "_setup_srtp", "_validate_peer_identity"),
    RTCRtpReceiver: ("receive", "stop"),
    RTCSctpTransport: ("_handle_data", "_abort"),
    RTCIceTransport: ("addRemoteCandidate",),
    RTCPeerConnection: ("_RTCPeerConnection__connect",),
    ice.Connection: (
        "data_received",
        "get_component_candidates",
        "request_received",
        "respond_error",
        "_valid_username",
    ),
    ice.StunProtocol: ("datagram_received", "error_received"),
}
_ATTRIBUTES: dict[type, tuple[str, ...]] = {
    RTCDtlsTransport: ("_data_receiver", "_rx_srtp", "_ssl", "_tx_srtp"),
    RTCIceTransport: ("_connection", "_recv"),
    RTCPeerConnection: ("_RTCPeerConnection__certificates",),
    RTCRtpReceiver: ("_RTCRtpReceiver__timestamp_mapper",),
    RTCRtpSender: ("_ssrc",),
    RTCRtpTransceiver: ("_codecs",),
    RTCSctpTransport: (
        "_advertised_rwnd",
        "_association_state",
        "_cwnd",
        "_inbound_streams",
        "_last_received_tsn",
        "_last_sacked_tsn",
        "_local_tsn",
        "_outbound_queue",
    ),
    ice.Connection: ("_check_list", "_nominated", "_protocols", "_queue"),
    ice.StunProtocol: ("transactions",),
}

_FUNCTIONS: dict[ModuleType, tuple[str, ...]] = {
    ice: ("StunProtocol", "server_reflexive_candidate"),
    candidates: ("Candidate", "candidate_foundation", "candidate_priority"),
}

_log = get_logger(__name__)


class InternalsError(Exception):
    """The installed WebRTC library is not the one that the receive path is built on."""


def check() -> None:
    """Raise InternalsError, naming the version to install, unless all private names used exist."""
    for package, expected in VERSIONS.items():
        installed = importlib.metadata.version(package)
        if installed != expected:
            raise InternalsError(
                f"edge.rtc is built on the internals of {package} {expected}, but {installed} is"
                f" installed: pip install {package}=={expected}"
            )
    for owner, names in _METHODS.items():
        for name in names:
            if not callable(getattr(owner, name, None)):
                raise InternalsError(f"{owner.__module__}.{owner.__name__} has no {name}()")
    for module, names in _FUNCTIONS.items():
        for name in names:
            if not callable(getattr(module, name, None)):
                raise InternalsError(f"{module.__name__} has no {name}")
    for owner, names in _ATTRIBUTES.items():
        constructor = cast(FunctionType, owner.__init__)  # type: ignore[misc]
        for name in names:
            if name not in constructor.__code__.co_names:
                raise InternalsError(f"{owner.__module__}.{owner.__name__} has no {name}")


class MediaTransport:
    """One publisher's video as datagrams: RTP and RTCP in, RTCP out.

    `on_rtp(packet, arrival_ms)` and `on_rtcp(packet, arrival_ms)` get decrypted packets straight
    from the socket; those that came before the keys were known, once they are. Their exceptions are
    counted in `guard.errors` and end nothing. `failure` is why DTLS failed, "" as long as it has
    not.
    """

    def __init__(
        self,
        connection: RTCPeerConnection,
        transceiver: RTCRtpTransceiver,
        on_rtp: Callable[[bytes, float], None],
        on_rtcp: Callable[[bytes, float], None],
        *,
        ports: range | None = None,
        guard: TransportGuard | None = None,
    ) -> None:
        """`ports` are the local UDP ports that may be used; None: any."""
        self._guard = guard or TransportGuard(lambda code, reason: None, SuppressedErrors())
        self._on_rtp = on_rtp
        self._on_rtcp = on_rtcp
        self._dtls = transceiver.receiver.transport
        self._released = False
        self._early = EarlyPackets()
        self.failure = ""
        self.ssrc: int = transceiver.sender._ssrc
        # aiortc's own receiver never starts: no thread, no jitter buffer, no REMB, no reports.
        receiver: Any = transceiver.receiver
        receiver.receive = _do_nothing
        receiver.stop = _do_nothing
        self._ice = {
            transport: IceGuard(transport._connection, self._guard)
            for transport in _ice_transports(connection)
        }
        for transport, ice_guard in self._ice.items():
            _replace_gathering(transport, ice_guard, ports)
            self._divert_media(transport)
        adapt_dtls(connection, self._dtls, self._on_failure)
        self._dtls.on("statechange", self._replay)
        meter_dtls(self._dtls, self._guard)
        if connection.sctp is not None:
            if connection.sctp.transport is not self._dtls:
                meter_dtls(connection.sctp.transport, self._guard)
            guard_sctp(connection.sctp, self._guard)

    def _divert_media(self, transport: RTCIceTransport) -> None:
        ice_connection: Any = transport._connection
        deliver = ice_connection.data_received
        queue: asyncio.Queue[object] = ice_connection._queue
        is_video = transport is self._dtls.transport

        def received(data: bytes, component: int) -> None:
            if is_video and 127 < data[0] < 192:
                self._on_media(data, now_ms())
            elif queue.qsize() < MAX_DATAGRAMS:
                deliver(data, component)
            else:
                self._guard.refuse("queue full")

        ice_connection.data_received = received

    def _on_failure(self, reason: str) -> None:
        self.failure = self.failure or reason

    def _replay(self) -> None:
        """Handle what came before the keys; their state changes once they are there."""
        if self._dtls.state == "connected":
            for data, arrival_ms in self._early.take():
                self._on_media(data, arrival_ms)

    def _on_media(self, data: bytes, arrival_ms: float) -> None:
        if self._released:
            return
        srtp: Any = self._dtls._rx_srtp  # None before the handshake's end
        if srtp is None:
            if not self._early.add(data, arrival_ms):
                self._guard.refuse("media before its keys")
            return
        try:
            rtcp = is_rtcp(data)
            plain = srtp.unprotect_rtcp(data) if rtcp else srtp.unprotect(data)
        except Exception:  # forged, replayed, truncated or too long
            self._guard.forged(arrival_ms)
            return
        try:
            (self._on_rtcp if rtcp else self._on_rtp)(plain, arrival_ms)
        except Exception:
            self._guard.errors.add("a packet handler")

    async def add_candidate(self, candidate: Candidate) -> None:
        """Let ICE try a remote address, on every transport: each has its own credentials."""
        for transport, ice_guard in self._ice.items():
            if not ice_guard.has_room_for_candidate:
                self._guard.refuse("too many candidate pairs")
                continue
            await transport.addRemoteCandidate(
                RTCIceCandidate(
                    component=1,
                    foundation=candidate.foundation,
                    ip=candidate.address,
                    port=candidate.port,
                    priority=candidate.priority,
                    protocol="udp",
                    type=candidate.kind,
                )
            )

    def send_rtcp(self, packet: bytes) -> bool:
        """Send a compound packet; False before the connection is established and after its end."""
        if self._released or self._dtls.state != "connected":
            return False
        pair = self._dtls.transport._connection._nominated.get(_COMPONENT)
        if pair is None:
            return False
        try:
            encrypted = self._dtls._tx_srtp.protect_rtcp(packet)
            pair.protocol.transport.sendto(encrypted, pair.remote_addr)
        except Exception:
            self._guard.errors.add("sending RTCP")
            return False
        return True

    def release(self) -> None:
        """Receive and send nothing more."""
        self._released = True


async def _do_nothing(*_: object) -> None:
    return None


def _ice_transports(connection: RTCPeerConnection) -> set[RTCIceTransport]:
    found = {t.receiver.transport.transport for t in connection.getTransceivers()}
    if connection.sctp is not None:
        found.add(connection.sctp.transport.transport)
    return found


def _replace_gathering(
    transport: RTCIceTransport, ice_guard: IceGuard, ports: range | None
) -> None:
    """Gather candidates quickly, within `ports`, on the loopback where there is nothing else."""
    connection: Any = transport._connection
    gather = connection.get_component_candidates

    async def gather_quickly(component: int, addresses: list[str], **_: object) -> object:
        local = addresses or ["127.0.0.1"]
        found = await _gather_in(connection, component, local, ports, ice_guard.attach)
        found += await gather(component, [], timeout=_GATHER_S)  # relayed ones
        for protocol in connection._protocols:
            ice_guard.attach(protocol)
        return found

    connection.get_component_candidates = gather_quickly


async def _gather_in(
    connection: Any,
    component: int,
    addresses: list[str],
    ports: range | None,
    attach: Callable[[ice.StunProtocol], None],
) -> list[candidates.Candidate]:
    """Host candidates on ports of a range, which aioice does not support, and the server-reflexive
    candidates of those; OSError if no address has a free port.

    `attach` is called with each protocol before anything is read from its socket.
    """
    protocols: list[ice.StunProtocol] = []
    for number, address in enumerate(addresses, start=1):
        try:
            protocol = await _bind(connection, component, address, ports or range(1), attach)
        except OSError as error:
            _log.debug("no_socket", address=address, error=error)
            if number == len(addresses) and not protocols:
                raise
            continue
        protocols.append(protocol)
        connection._protocols.append(protocol)  # closed with the connection, whatever comes next
    found = [each.local_candidate for each in protocols]
    asked = [
        asyncio.ensure_future(ice.server_reflexive_candidate(each, connection.stun_server))
        for each in protocols
        if connection.stun_server and ":" not in each.local_candidate.host
    ]
    if asked:
        done, waiting = await asyncio.wait(asked, timeout=_GATHER_S)
        for task in waiting:
            task.cancel()
        found += [task.result()[0] for task in done if task.exception() is None]
    return found


async def _bind(
    connection: Any,
    component: int,
    address: str,
    ports: range,
    attach: Callable[[ice.StunProtocol], None],
) -> ice.StunProtocol:
    loop = asyncio.get_running_loop()
    for port in random.sample(ports, len(ports)):
        try:
            transport, protocol = await loop.create_datagram_endpoint(
                lambda: ice.StunProtocol(connection), local_addr=(address, port)
            )
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, turn.UDP_SOCKET_BUFFER_SIZE
        )
        protocol.local_candidate = candidates.Candidate(
            foundation=candidates.candidate_foundation("host", "udp", address),
            component=component,
            transport="udp",
            priority=candidates.candidate_priority(component, "host"),
            host=address,
            port=transport.get_extra_info("sockname")[1],
            type="host",
        )
        attach(protocol)
        return protocol
    raise OSError(
        errno.EADDRINUSE, f"no UDP port from {ports[0]} to {ports[-1]} is free on {address}"
    )


def payload_types(transceiver: RTCRtpTransceiver) -> tuple[dict[int, str], dict[int, int]]:
    """({payload type: "vp8" or "h264"}, {retransmission's payload type: the original's})."""
    codecs: dict[int, str] = {}
    retransmissions: dict[int, int] = {}
    for codec in transceiver._codecs:
        name = codec.name.lower()
        original = codec.parameters.get("apt")
        if codec.payloadType is None:
            continue
        if name == "rtx" and isinstance(original, int):
            retransmissions[codec.payloadType] = original
        elif name in ("vp8", "h264"):
            codecs[codec.payloadType] = name
    return codecs, retransmissions


def abort_sockets(connection: RTCPeerConnection) -> None:
    """Close a connection's sockets when its own close() hangs."""
    for transport in _ice_transports(connection):
        for protocol in list(transport._connection._protocols):
            protocol.transport.abort()


def tap_datagrams(
    connection: RTCPeerConnection, on_datagram: Callable[[bytes, float], None]
) -> None:
    """Pass every datagram and its arrival in ms to `on_datagram` first (for benchmarks)."""
    for transport in _ice_transports(connection):
        _tap(transport._connection, on_datagram)


def _tap(ice_connection: Any, on_datagram: Callable[[bytes, float], None]) -> None:
    deliver = ice_connection.data_received

    def received(data: bytes, component: int) -> None:
        on_datagram(data, now_ms())
        deliver(data, component)

    ice_connection.data_received = received


def stock_rtp_origin(receiver: RTCRtpReceiver) -> int | None:
    """The RTP timestamp at which `frame.pts` of aiortc's own receiver starts (for benchmarks)."""
    mapper: Any = vars(receiver)["_RTCRtpReceiver__timestamp_mapper"]
    return cast("int | None", mapper._origin)
