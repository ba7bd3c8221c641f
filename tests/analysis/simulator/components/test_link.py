"""The simulated uplink."""

import random

import numpy as np
import pytest

from analysis.simulator.components.link import OVERHEAD_BYTES, SimulatedLink
from traces import Trace, constant

MBIT = 1e6


def link(trace: Trace, **given: float) -> SimulatedLink:
    return SimulatedLink(trace, random.Random(1), **({"delay_ms": 5.0} | given))  # type: ignore[arg-type]


def wire_ms(bits: float, bps: float) -> float:
    """Of one packet."""
    return 1000.0 * (bits + 8 * OVERHEAD_BYTES) / bps


def test_a_frame_takes_its_bits_by_the_rate_and_the_delay() -> None:
    crossing = link(constant(8 * MBIT)).send(8_000, 100.0)
    assert crossing is not None
    assert crossing.received_ms == pytest.approx(105.0 + wire_ms(8_000, 8 * MBIT), abs=1e-3)
    assert len(crossing.packets) == 1


def test_frames_wait_for_those_before_them() -> None:
    there = link(constant(1 * MBIT))
    first, second = there.send(9_000, 0.0), there.send(9_000, 1.0)
    assert first is not None
    assert second is not None
    took_ms = wire_ms(9_000, 1 * MBIT)
    assert second.received_ms - first.received_ms == pytest.approx(took_ms, abs=1e-3)


def test_packets_show_the_rate_of_the_link() -> None:
    crossing = link(constant(4 * MBIT)).send(80_000, 0.0)
    assert crossing is not None
    arrivals = [at_ms for _, at_ms in crossing.packets]
    bits = 8 * sum(size + OVERHEAD_BYTES for size, _ in crossing.packets[1:])
    assert 1000.0 * bits / (arrivals[-1] - arrivals[0]) == pytest.approx(4 * MBIT, rel=0.01)


def test_a_frame_crosses_a_step_at_both_rates() -> None:
    trace = Trace(np.array([0.0, 10.0]), np.array([1e6, 0.1e6]), 1000.0)
    bits = 19_000 - 8 * 2 * OVERHEAD_BYTES  # 10 ms' worth at 1 Mbit/s, 90 at a tenth of it
    crossing = link(trace).send(bits, 0.0)
    assert crossing is not None
    assert crossing.received_ms == pytest.approx(105.0, abs=0.1)


def test_a_full_queue_takes_no_more() -> None:
    there = link(constant(1 * MBIT), queue_bytes=10_000)
    sent = [there.send(20_000, 0.0) for _ in range(6)]
    assert [crossing is not None for crossing in sent] == [True] * 3 + [False] * 3
    assert there.send(20_000, 60.0) is not None


def test_a_lost_packet_comes_a_round_trip_later() -> None:
    lossy = link(constant(8 * MBIT), loss=0.5).send(80_000, 0.0)
    clean = link(constant(8 * MBIT)).send(80_000, 0.0)
    assert lossy is not None
    assert clean is not None
    assert lossy.lost > 0
    assert len(lossy.packets) + lossy.lost == lossy.sent == clean.sent
    assert lossy.received_ms > clean.received_ms


def test_packets_never_pass_each_other_however_they_jitter() -> None:
    there = link(constant(50 * MBIT), jitter_ms=20.0)
    arrivals = []
    for number in range(50):
        crossing = there.send(20_000, 10.0 * number)
        assert crossing is not None
        arrivals += [at_ms for _, at_ms in crossing.packets]
    assert arrivals == sorted(arrivals)
