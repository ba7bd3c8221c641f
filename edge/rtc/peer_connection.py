"""A publisher's peer connection: answers the offer, passes on pictures and messages."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Literal

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtcrtptransceiver import RTCRtpTransceiver

from edge.base.event_log import get_logger
from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.rtc.clock.capture_clock import CaptureClock
from edge.rtc.data_channels import DataChannels
from edge.rtc.decoding.decoded_frame import DecodedFrame
from edge.rtc.decoding.decoder import MAX_PIXELS
from edge.rtc.guard.candidate_policy import CandidatePolicy, own_addresses
from edge.rtc.guard.suppressed_errors import SuppressedErrors
from edge.rtc.guard.transport_guard import TransportGuard
from edge.rtc.jitter.frames import EncodedFrame
from edge.rtc.jitter.parameter_sets import read_sprop
from edge.rtc.reception_stats import ReceptionCounts
from edge.rtc.rtp import ExtensionIds
from edge.rtc.sdp import (
    MAX_CANDIDATES,
    Candidate,
    Offer,
    SdpError,
    announced,
    read_candidates,
    read_offer,
    read_ufrags,
    shortage,
    violations,
    write_answer,
    write_transport_offer,
)
from edge.rtc.sdp.codecs import CODECS
from edge.rtc.sdp.description import read_description
from edge.rtc.transport import aiortc_adapter
from edge.rtc.transport.connection import create_connection
from edge.rtc.transport.ice_server import ice_server
from edge.rtc.video_receiver import VideoReceiver

__all__ = ["DecodedFrame", "PeerConnection", "SdpError"]

RateControl = Literal["receiver", "transport-cc"]
_CLOSE_S = 2.0

_log = get_logger(__name__)


class PeerConnection:
    """One publisher's connection. Create it on the event loop, `answer` once, `close` at the end.

    Every frame of which a packet came ends in `on_frame(DecodedFrame)` or in `on_lost(rtps,
    reason)`; reasons are "lost", "superseded", "overload", "too_large". `on_message(label, text or
    bytes)`, `on_channel(label)` once a channel is open, `on_state`: "connecting", "connected",
    "failed", "closed". `on_step`: the link got much worse, in mid-frame. Nothing is called after
    `close`.

    `ports` are the local UDP ports that may be used (None: any), `announce` further addresses at
    which this machine is reached on the same ports. `rate_control` is "receiver"
    (`edge.rtc.bwe.bandwidth_estimator`) or "transport-cc": the publisher's own estimator decides,
    if its offer includes transport-cc. `codecs` are those that are used, the preferred one first.

    `on_offence(code, reason)` is called once, with "abuse" or "excess", when the publisher's
    packets break the transport's rules or take more than `max_processor_share` cores (None: no
    limit); later ones are dropped; or with "excess" when decoding its video takes more than
    `max_decode_share` cores. `candidate_policy` decides which of its addresses are used;
    None: those that do not lead into this host.
    """

    def __init__(
        self,
        *,
        ice_servers: Sequence[Any] = (),
        slo_ms: float,
        on_frame: Callable[[DecodedFrame], None],
        on_lost: Callable[[Sequence[int], str], None],
        on_message: Callable[[str, str | bytes], None],
        on_channel: Callable[[str], None],
        on_state: Callable[[str], None],
        on_step: Callable[[], None] = lambda: None,
        rate_control: RateControl = "receiver",
        codecs: Sequence[str] = CODECS,
        max_pixels: int = MAX_PIXELS,
        ports: range | None = None,
        announce: Sequence[str] = (),
        on_offence: Callable[[str, str], None] = lambda code, reason: None,
        max_processor_share: float | None = None,
        max_decode_share: float | None = None,
        candidate_policy: CandidatePolicy | None = None,
    ) -> None:
        self.clock = CaptureClock()
        self.estimator = BandwidthEstimator()
        self._ice_servers = [ice_server(server) for server in ice_servers]
        self._slo_ms = slo_ms
        self._max_pixels = max_pixels
        self._max_decode_share = max_decode_share
        self._ports, self._announce = ports, announce
        self._callbacks: dict[str, Callable[..., None]] = {
            "frame": on_frame,
            "lost": on_lost,
            "message": on_message,
            "channel": on_channel,
            "state": on_state,
            "step": on_step,
            "offence": on_offence,
        }
        self._rate_control = rate_control
        self._codecs = codecs
        self._errors = SuppressedErrors()
        self._guard = TransportGuard(
            lambda code, reason: self._call("offence", code, reason),
            self._errors,
            max_processor_share,
        )
        self._policy = candidate_policy or CandidatePolicy(own_addresses())
        self._connection: RTCPeerConnection | None = None  # without this it would be collected
        self._transport: aiortc_adapter.MediaTransport | None = None
        self._receiver: VideoReceiver | None = None
        self._channels = DataChannels(
            lambda label: self._call("channel", label),
            lambda label, data: self._call("message", label, data),
        )
        self._candidates = 0
        self._ufrags: frozenset[str] = frozenset()  # the publisher's, in its offer
        self._parameter_sets: dict[int, list[bytes]] = {}  # H264's, in its offer
        self._closing: asyncio.Task[None] | None = None

    # -- signalling -------------------------------------------------------------------------------

    async def answer(self, offer_sdp: str) -> str:
        """The answer to an offer; raises SdpError for an unusable one."""
        if self._connection is not None or self._closing is not None:
            raise SdpError("bad_state", "this session has been answered already")
        offer = read_offer(offer_sdp, self._codecs)
        self._ufrags = read_ufrags(offer_sdp)
        self._parameter_sets = read_sprop(offer_sdp)
        # An empty list, not None: None would ask a public STUN server.
        configuration = RTCConfiguration(iceServers=self._ice_servers)
        connection = self._connection = create_connection(configuration)
        connection.on("connectionstatechange", self._state_changed)
        connection.on("datachannel", self._channels.opened)
        try:
            sdp = await self._negotiate(connection, offer)
        except SdpError:
            await self.close()
            raise
        except OSError as error:
            _log.warning("no_sockets", error=error)
            await self.close()
            raise shortage(error) from error
        except Exception as error:
            _log.exception("offer_not_answered")
            await self.close()
            raise SdpError(
                "unanswerable", "the server could not answer this offer; its log says why"
            ) from error
        await self._try_candidates(offer.candidates)
        return sdp

    async def _negotiate(self, connection: RTCPeerConnection, offer: Offer) -> str:
        """The answer; aiortc negotiates the transport alone."""
        transceiver = connection.addTransceiver("video", direction="recvonly")
        await connection.setRemoteDescription(
            RTCSessionDescription(write_transport_offer(offer), "offer")
        )
        uses_transport_cc = self._rate_control == "transport-cc"
        extensions = offer.extensions
        if not uses_transport_cc:
            extensions = replace(extensions, transport_cc=0)
        self._receive_video(connection, transceiver, offer, extensions)
        await connection.setLocalDescription(await connection.createAnswer())
        local = connection.localDescription.sdp
        answer = write_answer(offer, local, transport_cc=uses_transport_cc)
        if broken := violations(offer.description, read_description(answer)):
            raise ValueError("; ".join(broken))
        return announced(answer, self._announce)

    def _receive_video(
        self,
        connection: RTCPeerConnection,
        transceiver: RTCRtpTransceiver,
        offer: Offer,
        extensions: ExtensionIds,
    ) -> None:
        receiver = self._receiver = VideoReceiver(
            codecs=offer.payload_types,
            retransmissions=offer.retransmissions,
            extensions=extensions,
            send_rtcp=self._send_rtcp,
            on_frame=lambda frame: self._call("frame", frame),
            on_lost=lambda rtps, reason: self._call("lost", rtps, reason),
            clock=self.clock,
            estimator=self.estimator,
            slo_ms=self._slo_ms,
            on_step=lambda: self._call("step"),
            max_pixels=self._max_pixels,
            parameter_sets=self._parameter_sets,
            layers=offer.layers,
            pairs=offer.pairs,
            max_decode_share=self._max_decode_share,
            on_decode_excess=self._decode_excess,
        )
        self._transport = aiortc_adapter.MediaTransport(
            connection,
            transceiver,
            receiver.handle_rtp,
            receiver.handle_rtcp,
            ports=self._ports,
            guard=self._guard,
        )
        receiver.ssrc = self._transport.ssrc
        if "encoded" in self._callbacks:
            receiver.on_encoded = lambda frame: self._call("encoded", frame)

    async def add_candidates(self, sdpfrag: str) -> None:
        """Trickled candidates (RFC 8840).

        Raises SdpError for anything else and, with code "ice_restart", for an ICE session other
        than the offer's: restarts are not supported (RFC 9725, section 4.3, permits that).
        """
        if self._ufrags and read_ufrags(sdpfrag) - self._ufrags:
            raise SdpError("ice_restart", "this ICE session can't be restarted: publish anew")
        if "a=candidate:" not in sdpfrag and "a=end-of-candidates" not in sdpfrag:
            raise SdpError("bad_candidates", "neither candidates nor their end")
        await self._try_candidates(read_candidates(sdpfrag))

    async def _try_candidates(self, candidates: Sequence[Candidate]) -> None:
        if self._transport is None or self._closing is not None:
            return
        # The end of candidates is not passed on: ICE would give up before the checks of hidden
        # (mDNS) addresses arrive.
        for candidate in candidates:
            if self._candidates >= MAX_CANDIDATES:
                return
            self._candidates += 1
            if (reason := self._policy.refusal(candidate.address, candidate.port)) is not None:
                self._guard.refuse(f"candidate: {reason}")
            else:
                await self._transport.add_candidate(candidate)

    # -- messages ---------------------------------------------------------------------------------

    def send(self, label: str, text: str) -> bool:
        """Send on the channel of that name; False if it isn't open or has too much buffered."""
        return self._closing is None and self._channels.send(label, text)

    # -- media ------------------------------------------------------------------------------------

    def request_keyframe(self) -> None:
        """Ask the publisher for a key frame; nothing is served until it comes."""
        if self._receiver is not None and self._closing is None:
            self._receiver.request_keyframe()

    def observe_encoded(self, on_encoded: Callable[[EncodedFrame], None]) -> None:
        """Before `answer`: `on_encoded` gets each complete frame before it is decoded."""
        self._callbacks["encoded"] = on_encoded

    def suggest_keyframe(self) -> None:
        """Ask the publisher for a key frame; what comes before it is served."""
        if self._receiver is not None and self._closing is None:
            self._receiver.suggest_keyframe()

    def set_slo(self, slo_ms: float) -> None:
        """The time after capture for which a result is of use; it bounds the wait for packets."""
        self._slo_ms = slo_ms
        if self._receiver is not None:
            self._receiver.set_slo(slo_ms)

    def set_long_side(self, pixels: int) -> None:
        """Of the pictures that can be used: it decides which layer of a simulcast is served."""
        if self._receiver is not None:
            self._receiver.set_long_side(pixels)

    @property
    def counts(self) -> ReceptionCounts:
        """Packets and frames so far."""
        return self._receiver.jitter.counts if self._receiver is not None else ReceptionCounts()

    @property
    def unknown_types(self) -> Collection[int]:
        """Payload types of RTP packets that were not negotiated for the video."""
        return self._receiver.unknown_types if self._receiver is not None else ()

    @property
    def suppressed_errors(self) -> int:
        """Exceptions that were kept from ending the connection; 0 unless there is a bug."""
        return self._errors.count

    @property
    def received_bytes(self) -> int:
        """All bytes from the publisher's addresses, of every protocol, with headers."""
        return self._guard.received_bytes

    def take_refused(self) -> Counter[str]:
        """Datagrams that the guard has refused since the last call, by reason."""
        return self._guard.take_refused()

    @property
    def checked(self) -> bool:
        """Whether an authenticated ICE check of the publisher has come."""
        return self._guard.checked

    @property
    def failure(self) -> str:
        """Why the connection failed, and which side refused what; "" while it has not."""
        connection = self._connection
        if connection is None or connection.connectionState != "failed":
            return ""
        reason = self._transport.failure if self._transport is not None else ""
        if not reason and connection.iceConnectionState == "failed":
            reason = "ICE: no check between the publisher's addresses and this server's passed"
        return reason or "the publisher's DTLS handshake did not complete"

    def _decode_excess(self) -> None:
        percent = 100.0 * (self._max_decode_share or 0.0)
        reason = f"too much was sent: decoding takes more than {percent:.0f} % of a processor core"
        self._call("offence", "excess", reason)

    def _send_rtcp(self, packet: bytes) -> bool:
        return self._transport is not None and self._transport.send_rtcp(packet)

    # -- states -----------------------------------------------------------------------------------

    def _state_changed(self) -> None:
        if self._connection is not None and self._connection.connectionState != "new":
            if failure := self.failure:
                _log.warning("connection_failed", reason=failure)
            self._call("state", self._connection.connectionState)

    def _call(self, name: str, *arguments: object) -> None:
        """Call the session, whose exceptions must not end the transport."""
        if self._closing is None:
            try:
                self._callbacks[name](*arguments)
            except Exception:
                self._errors.add(f"on_{name}")

    def end_media(self) -> list[int]:
        """Receive no more media; the timestamps of the frames that were in reception."""
        return [] if self._receiver is None else self._receiver.close()

    async def close(self, last: str | None = None) -> None:
        """End the connection; always completes, leaves no task, thread or socket.

        `last` is sent on "control" before; to a publisher that has just connected, as soon as it
        has opened a channel, or not at all if it opens none for `_CLOSE_S`.
        """
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close(last))
        await asyncio.shield(self._closing)

    async def _close(self, last: str | None) -> None:
        if self._transport is not None:
            self._transport.release()
        if self._receiver is not None:
            self._receiver.close()
        if self._guard.refused:
            _log.info("datagrams_refused", reasons=dict(self._guard.refused))
        connection = self._connection
        if connection is not None:
            if last is not None and connection.sctp and connection.connectionState == "connected":
                await self._channels.send_last("control", last, _CLOSE_S)
            try:
                await asyncio.wait_for(connection.close(), _CLOSE_S)
            except Exception:
                _log.warning("connection_abandoned", exc_info=True)
                aiortc_adapter.abort_sockets(connection)
            connection.remove_all_listeners()
        self._channels.clear()
        if self._receiver is not None:
            await self._receiver.closed()
