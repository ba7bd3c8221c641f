"""Encoded frames to paced RTP packets, and the server's RTCP feedback: the part with timers."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable

from edge.client.clocks import unix_ms
from edge.client.connection import SenderConnection
from edge.client.frame_outcomes import PublishedFrame
from edge.client.rtp.pacer import PacketPacer
from edge.client.rtp.rtcp_feedback import read_feedback
from edge.client.rtp.rtp_packetiser import Packetiser

START_BPS = 1_000_000.0  # until the server's first estimate
CLOCK_RATE = 90_000  # RTP ticks a second (RFC 7741, RFC 6184)


class VideoSender:
    """Sends frames over a connection at the pacer's rate, and obeys RTCP feedback.

    `on_estimate(bps)` is called with each REMB, `on_keyframe_request()` with each PLI or FIR.
    """

    def __init__(
        self,
        connection: SenderConnection,
        on_estimate: Callable[[float], None],
        on_keyframe_request: Callable[[], None],
        start_bps: float = START_BPS,
    ) -> None:
        self.least_bps = 0.0
        """The pacer's rate does not fall below that of so large an estimate."""
        self.keyframe_requests = 0
        self.resent = 0
        self._connection = connection
        self._on_estimate = on_estimate
        self._on_keyframe_request = on_keyframe_request
        self._packetiser: Packetiser | None = None
        self._pacer = PacketPacer(start_bps)
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        # Frames whose packets have not all left, each with the count of packets up to its end.
        self._leaving: deque[tuple[int, PublishedFrame]] = deque()
        self._packets_left = 0
        self._rtp_origin = random.getrandbits(32)

    def start(self, packetiser: Packetiser) -> None:
        """Use the answer's parameters from now on."""
        self._packetiser = packetiser

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    @property
    def waiting_ms(self) -> float:
        """How long the pacer takes to send the packets that wait in it."""
        return self._pacer.waiting_ms

    def rtp_of(self, elapsed_s: float) -> int:
        """The 32-bit RTP timestamp so long after the first capture."""
        return (self._rtp_origin + round(elapsed_s * CLOCK_RATE)) & 0xFFFFFFFF

    def send(self, frame: PublishedFrame, data: bytes, *, droppable: bool = False) -> None:
        """Queue a frame; its `sent_ms` is set when its last packet has left."""
        packetiser = self._started()
        packets = packetiser.frame(data, frame.rtp, frame.captured_ms, droppable=droppable)
        self._leaving.append((packetiser.packets, frame))
        self._pacer.push(packets)
        self._pump()

    def send_report(self, elapsed_s: float, at_ms: float, name: str) -> None:
        """Send an RTCP sender report for the present time."""
        report = self._started().report(self.rtp_of(elapsed_s), at_ms, name)
        self._connection.send(report)

    def on_rtcp(self, data: bytes) -> None:
        """Take a compound RTCP packet from the server."""
        feedback = read_feedback(data)
        if feedback.remb_bps is not None:
            self._pacer.estimate_bps = max(feedback.remb_bps, self.least_bps)
            self._on_estimate(feedback.remb_bps)
        if feedback.keyframe:
            self.keyframe_requests += 1
            self._on_keyframe_request()
        if self._packetiser is None:
            return
        for sequence in feedback.nacked:
            packet = self._packetiser.again(sequence)
            if packet is not None:
                self.resent += self._connection.send(self._packetiser.stamp(packet, unix_ms()))

    def _started(self) -> Packetiser:
        assert self._packetiser is not None, "not started"
        return self._packetiser

    def _pump(self) -> None:
        """Send the packets that the pacer releases now, and set a timer for the next."""
        packetiser = self._started()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (packet := self._pacer.pop(at_ms := unix_ms())) is not None:
            self._connection.send(packetiser.stamp(packet, at_ms))
            self._packets_left += 1
            if self._packets_left == self._leaving[0][0]:
                self._leaving.popleft()[1].sent_ms = at_ms
        due_ms = self._pacer.next_ms()
        if due_ms is not None and not self._stopped:
            delay_s = max(0.001, (due_ms - unix_ms()) / 1000.0)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._pump)
