"""A simulated uplink: one queue, served first in first out at a trace's rate, then a delay.

`netem.links.packet_stages` has the same link packet by packet. This one deliberately takes a frame
at a time: a frame's packets enter the queue together, so their arrivals follow from
`Trace.finish_ms`, which both models share, without an event for each packet. Grids of hundreds of
clients need that.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from traces import Trace

PACKET_BYTES = 1200
OVERHEAD_BYTES = 38  # IPv4, UDP and SRTP's tag, on every packet
_MOST_GROUPS = 12  # of packets, in which a long frame's arrival is described


@dataclass(frozen=True, slots=True)
class Crossing:
    """A frame's arrival: (bytes after SRTP, arrival in ms) of its packets in order, those of long
    frames in groups; when the last one arrived; packets sent, and packets lost at first."""

    packets: list[tuple[int, float]]
    received_ms: float
    sent: int
    lost: int


class SimulatedLink:
    """One client's uplink.

    A frame enters the queue as one burst; a frame that does not fit into `queue_bytes` is lost
    whole (drop-tail). A lost packet is sent again a round trip later, until it arrives.
    """

    def __init__(
        self,
        trace: Trace,
        rng: random.Random,
        *,
        delay_ms: float,
        jitter_ms: float = 0.0,
        loss: float = 0.0,
        queue_bytes: int = 256_000,
        offset_ms: float = 0.0,
    ) -> None:
        self._trace = trace
        self._rng = rng
        self._delay_ms, self._jitter_ms, self._loss = delay_ms, jitter_ms, loss
        self._queue_bits = 8.0 * queue_bytes
        self._offset_ms = offset_ms
        self._free_ms = 0.0  # when the queue will be empty
        self._arrived_ms = 0.0

    def alone_ms(self, bits: float, now_ms: float) -> float:
        """When a frame sent now would arrive on an idle link without jitter."""
        start_ms = now_ms + self._offset_ms
        return self._trace.finish_ms(start_ms, _wire(bits)) - self._offset_ms + self._delay_ms

    def rate_bps(self, now_ms: float) -> float:
        """The link's rate now, headers included."""
        return self._trace.rate_at(now_ms + self._offset_ms)

    def send(self, bits: float, now_ms: float) -> Crossing | None:
        """Sends a frame; None if the queue had no room for it."""
        trace, offset_ms = self._trace, self._offset_ms
        wire_bits = _wire(bits)
        start_ms = max(now_ms, self._free_ms) + offset_ms
        waiting = trace.capacity_bits(now_ms + offset_ms, start_ms) if self._free_ms > now_ms else 0
        jitter_ms = abs(self._rng.gauss(0.0, self._jitter_ms)) if self._jitter_ms else 0.0
        if waiting + wire_bits > self._queue_bits:
            return None
        end_ms = trace.finish_ms(start_ms, wire_bits)
        if not math.isfinite(end_ms):
            return None
        self._free_ms = end_ms - offset_ms
        count = math.ceil(bits / (8 * PACKET_BYTES))
        groups = min(count, _MOST_GROUPS)
        each = wire_bits / groups
        steady = trace.next_change_ms(start_ms) >= end_ms
        shift_ms = self._delay_ms + jitter_ms - offset_ms
        packets, missing = [], []
        for index in range(groups):
            if steady:
                left_ms = start_ms + (end_ms - start_ms) * (index + 1) / groups
            else:
                left_ms = trace.finish_ms(start_ms, each * (index + 1))
            # A packet never passes the one before it.
            self._arrived_ms = max(self._arrived_ms, left_ms + shift_ms)
            size = round(each / 8) - OVERHEAD_BYTES
            tries = self._tries()
            if tries > 1:
                missing.append(self._arrived_ms + (tries - 1) * 2.0 * self._delay_ms)
            else:
                packets.append((size, self._arrived_ms))
        received_ms = max([self._arrived_ms, *missing])
        return Crossing(packets, received_ms, groups, len(missing))

    def _tries(self) -> int:
        tries = 1
        while self._loss and self._rng.random() < self._loss:
            tries += 1
        return tries


def _wire(bits: float) -> float:
    """A frame's bits with all its packets' headers."""
    return bits + 8.0 * OVERHEAD_BYTES * math.ceil(bits / (8 * PACKET_BYTES))
