"""One publisher's video on the event loop: packets become pictures, and feedback goes back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Mapping, Sequence

import av

from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.rtc import rtp
from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.rtc.bwe.twcc import EVERY_MS, PacketArrivals
from edge.rtc.clock.capture_clock import CaptureClock
from edge.rtc.decoding.decoded_frame import DecodedFrame
from edge.rtc.decoding.decoder import MAX_PIXELS, Decoder
from edge.rtc.jitter.frames import EncodedFrame, JitterBufferOutput
from edge.rtc.jitter.jitter_buffer import JitterBuffer
from edge.rtc.jitter.loss_recovery import TAIL_MS
from edge.rtc.reception_stats import ReceptionStats
from edge.rtc.rtp import ExtensionIds, Goodbye, SenderReport
from edge.rtc.shared_timer import SharedTimer
from edge.rtc.sources.frame_ledger import FrameLedger
from edge.rtc.sources.retransmission_sources import RetransmissionSources
from edge.rtc.sources.source import Arrival
from edge.rtc.sources.source_selector import SourceSelector

_TICK_S = 0.025  # between two checks for packets that are overdue
_timer = SharedTimer(_TICK_S)
_STALL_MS = 15.0  # by which such a check may be late
_REPORT_S = 0.25  # between receiver reports: senders measure their round trip by them
_RECEPTION_SHARE = 0.6  # of the SLO: a packet later than this is too late for its frame
_SILENT_MS = 2000.0  # without a frame, after which no picture is expected of those before

_log = get_logger(__name__)


OnFrame = Callable[[DecodedFrame], None]
OnLost = Callable[[Sequence[int], str], None]


class VideoReceiver:
    """Takes decrypted packets, calls back with pictures.

    Every frame of which a packet came ends in `on_frame`, with its picture, or in `on_lost(rtps,
    reason)`; the layers of a simulcast are one frame. `on_step` is called when the link got much
    worse, in mid-frame. `send_rtcp` takes a compound packet.

    `on_decode_excess` is called once, when decoding takes more than `max_decode_share` of a core.

    With transport-wide feedback the sender's own estimator decides: no REMB is sent.
    `parameter_sets` are those of H264 in the SDP, by payload type; `layers` and `pairs` the sources
    that the SDP groups: layers, and the source of each stream of retransmissions.
    """

    def __init__(
        self,
        *,
        codecs: Mapping[int, str],
        retransmissions: Mapping[int, int],
        extensions: ExtensionIds,
        send_rtcp: Callable[[bytes], bool],
        on_frame: OnFrame,
        on_lost: OnLost,
        clock: CaptureClock,
        estimator: BandwidthEstimator,
        slo_ms: float,
        on_step: Callable[[], None] = lambda: None,
        max_pixels: int = MAX_PIXELS,
        parameter_sets: Mapping[int, Sequence[bytes]] | None = None,
        layers: Collection[int] = (),
        pairs: Mapping[int, int] | None = None,
        max_decode_share: float | None = None,
        on_decode_excess: Callable[[], None] = lambda: None,
    ) -> None:
        self.jitter = JitterBuffer()
        self.ssrc = 1  # ours, in feedback
        self.on_encoded: Callable[[EncodedFrame], None] | None = None  # before it is decoded
        self.unknown_types: set[int] = set()  # payload types that were not negotiated, yet came
        self._codecs = codecs
        self._parameter_sets = dict(parameter_sets or {})
        self._retransmissions = retransmissions
        self._extensions = extensions
        self._send_rtcp = send_rtcp
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._on_step = on_step
        self._clock = clock
        self._estimator = estimator
        self._slo_ms = slo_ms
        self._loop = asyncio.get_running_loop()
        self._decoder = Decoder(
            self._picture,
            self._dropped,
            max_pixels=max_pixels,
            max_share=max_decode_share,
            on_excess=on_decode_excess,
        )
        self._sources = SourceSelector(layers)
        self._ledger = FrameLedger(self._sources.capture)
        self._source: int | None = None  # the last one served
        self._retransmitting = RetransmissionSources(pairs)
        self._reception = ReceptionStats()
        self._sender_report: tuple[int, float] | None = None  # (middle 32 bits of NTP, arrival)
        self._poll: asyncio.TimerHandle | None = None
        self._poll_ms = 0.0
        self._submitted_ms = 0.0  # the last frame to the decoder
        self._report: asyncio.TimerHandle | None = None
        self._tick_ms = 0.0
        self._arrivals = PacketArrivals() if extensions.transport_cc else None
        self._arrivals_sent_ms = 0.0
        self._closed = False

    # -- from the socket --------------------------------------------------------------------------

    def handle_rtp(self, data: bytes, arrival_ms: float) -> None:
        """A decrypted RTP packet."""
        self.jitter.counts.bytes += len(data)
        packet = rtp.parse_rtp(data, self._extensions)
        if packet is None or self._closed:
            return
        if self._arrivals is not None and packet.transport_number is not None:
            self._arrivals.add(packet.transport_number, arrival_ms)
        original = self._retransmissions.get(packet.payload_type)
        if original is not None:
            served = self._sources.find(self._source)
            restored = self._retransmitting.restore(packet, original, served, arrival_ms)
            if restored is not None:
                arrival = Arrival.of(restored, self._codecs[original], arrival_ms)
                self._take(arrival, retransmitted=True)
        elif (codec := self._codecs.get(packet.payload_type)) is not None:
            arrival = Arrival.of(packet, codec, arrival_ms)
            taken = self._sources.take(arrival)
            if not taken and arrival.has_picture:
                self._ledger.unserved(packet.ssrc, packet.timestamp, arrival_ms)
                self._end_unserved(arrival_ms)
            elif taken and taken[0].packet.ssrc != self._source:
                self._change_source(taken, arrival_ms)
            for each in taken:
                self._take(each, retransmitted=False)
        else:
            self.unknown_types.add(packet.payload_type)

    def handle_rtcp(self, data: bytes, arrival_ms: float) -> None:
        """A decrypted RTCP packet."""
        if self._closed:
            return
        for part in rtp.parse_rtcp(data):
            if isinstance(part, SenderReport) and part.ssrc == self._source:
                self._clock.observe_report(part.rtp, part.ntp, arrival_ms)
                self._sender_report = ((part.ntp >> 16) & 0xFFFFFFFF, arrival_ms)
            elif isinstance(part, Goodbye):
                self._sources.goodbye(part.ssrcs)

    def _change_source(self, taken: Sequence[Arrival], at_ms: float) -> None:
        """Another source: of the last one's numbers and clocks, layers may share the timestamps."""
        ssrc, capture = taken[0].packet.ssrc, self._sources.capture
        if self._source is not None:
            _log.debug("source_changed", old=self._source, new=ssrc)
            output = self._ledger.hand_over(self._source, taken, self.jitter.restart(at_ms))
            self._apply(output, at_ms)
            self._retransmitting.source_changed(at_ms)
            self._reception = ReceptionStats()
            if capture(self._source, 0) != capture(ssrc, 0):
                self._clock.restart()
            self._estimator.restart()
            self._sender_report = None
            if (source := self._sources.find(ssrc)) is not None:
                self.jitter.units.parameter_sets.add(source.parameter_sets)
        self._source = ssrc

    def _end_unserved(self, at_ms: float) -> None:
        if superseded := self._ledger.superseded(at_ms):
            self._on_lost(superseded, "superseded")

    def _take(self, arrival: Arrival, *, retransmitted: bool) -> None:
        packet, media, arrival_ms = arrival.packet, arrival.media, arrival.at_ms
        if arrival.has_picture:
            self._ledger.served(packet.ssrc, packet.timestamp, arrival_ms)
        if units := self._parameter_sets.pop(packet.payload_type, None):
            self.jitter.units.parameter_sets.add(units, in_band=False)
        if not retransmitted:
            in_order = self._reception.add(packet.sequence, packet.timestamp, arrival_ms)
            if in_order and packet.payload:
                marker = packet.marker and self.jitter.trusts_marker
                self._estimator.observe(
                    packet.timestamp, packet.size, marker, arrival_ms, packet.send_time
                )
                self._clock.observe_arrival(packet.timestamp, arrival_ms, marker=marker)
        if packet.capture_ntp is not None:
            self._clock.observe_capture(packet.timestamp, packet.capture_ntp, arrival_ms)
        counts = self.jitter.counts
        useless = counts.duplicates + counts.late
        output = self.jitter.add(
            packet.sequence,
            packet.timestamp,
            packet.marker,
            media,
            arrival_ms,
            damaged=media is None and bool(packet.payload),
            retransmitted=retransmitted,
        )
        if output.started_over is not None:
            self._reception.start_over(output.started_over, packet.sequence)
        if retransmitted and counts.duplicates + counts.late == useless:
            self._estimator.observe_retransmission(packet.timestamp, arrival_ms)
        self._apply(output, arrival_ms)
        if self._report is None:
            self._send_report()  # the first at once, for it carries the first estimate
            self._tick_ms = now_ms()
            _timer.add(self._on_tick)
        elif packet.marker:
            self._send_lower_remb(arrival_ms)
        self._check_step(arrival_ms)

    # -- from the jitter buffer -------------------------------------------------------------------

    def _apply(self, output: JitterBufferOutput, at_ms: float) -> None:
        self._ledger.settle(self._source or 0, output, at_ms)
        for frame in output.decodable:
            if self.on_encoded is not None:
                self.on_encoded(frame)
            self._decoder.submit(frame.codec, frame)
            self._submitted_ms = at_ms
        if output.lost:
            self._on_lost(output.lost, "lost")
        if output.nack or output.keyframe:
            self._request(output)
        # A timer that fires early schedules the next: rescheduling for every packet is costly.
        if self._poll is None or self.jitter.nacks or self._poll_ms > at_ms + TAIL_MS + 5.0:
            self._schedule(at_ms)

    def _request(self, output: JitterBufferOutput) -> None:
        if self._source is None:
            return
        packet = rtp.receiver_report(self.ssrc)  # a compound packet begins with a report
        if output.nack:
            packet += rtp.nack(self.ssrc, self._source, output.nack)
        if output.keyframe:
            packet += rtp.picture_loss(self.ssrc, self._source)
        self._send_rtcp(packet)

    def _schedule(self, at_ms: float) -> None:
        wake_ms = self.jitter.wake_ms()
        if wake_ms is None:
            return
        if self._poll is not None:
            if self._poll_ms <= wake_ms + 1.0:
                return
            self._poll.cancel()
        self._poll_ms = max(wake_ms, at_ms + 1.0)
        self._poll = self._loop.call_at(self._poll_ms / 1000.0, self._on_poll)

    def _on_poll(self) -> None:
        self._poll = None
        if not self._closed:
            at_ms = now_ms()
            self._apply(self.jitter.poll(at_ms), at_ms)

    def request_keyframe(self) -> None:
        """Serve nothing until a key frame, and request one from the sender."""
        at_ms = now_ms()
        self._apply(self.jitter.require_keyframe(at_ms), at_ms)

    def suggest_keyframe(self) -> None:
        """Request a key frame from the sender; frames are served meanwhile."""
        if not self._closed:
            self._request(JitterBufferOutput(keyframe=True))

    def set_slo(self, slo_ms: float) -> None:
        self._slo_ms = slo_ms

    def set_long_side(self, pixels: int) -> None:
        """Of the pictures that can be used; decides which layer of a simulcast is served."""
        self._sources.wanted_long_side = pixels

    # -- from the decoder -------------------------------------------------------------------------

    def _picture(self, frame: EncodedFrame, image: av.VideoFrame, decoded_ms: float) -> None:
        captured_ms, _ = self._clock.captured_ms(frame.rtp, frame.first_packet_ms)
        self._on_frame(
            DecodedFrame(
                rtp=frame.rtp,
                image=image,
                width=image.width,
                height=image.height,
                captured_ms=captured_ms,
                received_ms=frame.received_ms,
                decoded_ms=decoded_ms,
            )
        )

    def _dropped(self, rtps: list[int], reason: str, keyframe: bool) -> None:
        if rtps:
            self._on_lost(rtps, reason)
        if keyframe and not self._closed:
            at_ms = now_ms()
            self._apply(self.jitter.require_keyframe(at_ms), at_ms)

    # -- the link ---------------------------------------------------------------------------------

    def _on_tick(self) -> None:
        """Missing packets show a link that slowed; arrival times are due as feedback."""
        at_ms = now_ms()
        if not self._stalled(at_ms):  # else packets may be waiting, unread
            self._estimator.tick(at_ms)
            self._check_step(at_ms)
        self._tick_ms = at_ms
        self._end_unserved(at_ms)
        if (layer := self._sources.keyframe_due(at_ms)) is not None:
            self._send_rtcp(rtp.receiver_report(self.ssrc) + rtp.picture_loss(self.ssrc, layer))
        if at_ms - self._submitted_ms > _SILENT_MS:
            self._decoder.expire()
        if self._arrivals is not None and at_ms - self._arrivals_sent_ms >= EVERY_MS:
            feedback = self._arrivals.feedback(self.ssrc, self._source or 0)
            if feedback is not None:
                self._arrivals_sent_ms = at_ms
                self._send_rtcp(rtp.receiver_report(self.ssrc) + feedback)

    def _stalled(self, at_ms: float) -> bool:
        """Whether this process was delayed: packets that seem late may have come in time."""
        return at_ms - self._tick_ms > 1000.0 * _TICK_S + _STALL_MS

    def _check_step(self, at_ms: float) -> None:
        if not self._stalled(at_ms) and self._estimator.detect_step(at_ms):
            self._send_lower_remb(at_ms)
            self._on_step()

    def _remb_due(self, at_ms: float) -> float | None:
        return self._estimator.remb.due(at_ms) if self._arrivals is None else None

    # -- reports ----------------------------------------------------------------------------------

    def _send_report(self) -> None:
        if self._closed:
            return
        at_ms = now_ms()
        self._report = self._loop.call_later(
            _REPORT_S * random.uniform(0.8, 1.2), self._send_report
        )
        self._estimator.observe_counts(self._reception.received, self._reception.missing, at_ms)
        network_ms = self._estimator.network_ms(0.5) or 0.0
        self.jitter.nacks.max_wait_ms = max(15.0, _RECEPTION_SHARE * self._slo_ms - network_ms)
        if self._clock.rtt_ms is not None:
            self.jitter.nacks.suggest_rtt(self._clock.rtt_ms)
            self._estimator.one_way_ms = self._clock.rtt_ms / 2.0
        if (failure := self.jitter.units.take_failure()) is not None:  # once: a peer may cause many
            _log.error("frame_not_assembled", exc_info=failure)
        if self._source is None:
            return
        report, delay_ms = 0, 0.0
        if self._sender_report is not None:
            report, delay_ms = self._sender_report[0], at_ms - self._sender_report[1]
        block = self._reception.report(self._source, report, delay_ms)
        packet = rtp.receiver_report(self.ssrc, [block] if block is not None else [])
        bps = self._remb_due(at_ms)
        if bps is not None:
            packet += rtp.remb(self.ssrc, self._source, bps)
        self._send_rtcp(packet)

    def _send_lower_remb(self, at_ms: float) -> None:
        """Send an estimate that has fallen without waiting for the next report."""
        if self._source is not None and self._estimator.remb.is_falling(at_ms):
            bps = self._remb_due(at_ms)
            if bps is not None:
                packet = rtp.receiver_report(self.ssrc)
                self._send_rtcp(packet + rtp.remb(self.ssrc, self._source, bps))

    # -- the end ----------------------------------------------------------------------------------

    def close(self) -> list[int]:
        """Stop at once; no callback follows. `closed` waits for the decoding thread.

        The timestamps of the frames that were in reception; none at a second call.
        """
        if self._closed:
            return []
        self._closed = True
        _timer.remove(self._on_tick, self._loop)
        for timer in (self._poll, self._report):
            if timer is not None:
                timer.cancel()
        output = self.jitter.restart(at_ms := now_ms())
        self._ledger.settle(self._source or 0, output, at_ms)
        return [*output.lost, *self._decoder.stop(), *self._ledger.superseded(at_ms, wait_ms=0.0)]

    async def closed(self) -> None:
        await self._decoder.stopped()
