"""The stages with a clock of our own: rates, queues, delays, losses."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netem.links.packet_stages import Delay, PacketLoss, RateQueue, TimedPacket
from traces import Trace, constant

PACKET = bytes(1000)
"""8 ms at 1 Mbit/s."""

arrivals = st.lists(st.tuples(st.floats(0.0, 50.0), st.integers(40, 1500)), min_size=1, max_size=60)


def outage() -> Trace:
    """1 Mbit/s for 12 ms, nothing for 100, and so on."""
    return Trace(np.array([0.0, 12.0]), np.array([1e6, 0.0]), 112.0)


def times(left: list[TimedPacket]) -> list[float]:
    return [round(at_ms, 3) for at_ms, _ in left]


def test_packets_leave_one_after_the_other() -> None:
    queue = RateQueue(constant(1e6), 10_000)
    for _ in range(3):
        queue.put(PACKET, 5.0)
    assert queue.next_ms == pytest.approx(13.0)
    assert times(queue.take(12.9)) == []
    assert times(queue.take(21.0)) == [13.0, 21.0]
    assert queue.backlog_bytes == 1000
    assert times(queue.take(100.0)) == [29.0]
    assert queue.next_ms is None


def test_a_late_wake_up_delays_nothing_else() -> None:
    queue = RateQueue(constant(1e6), 10_000)
    queue.put(PACKET, 0.0)
    queue.put(PACKET, 0.0)
    assert times(queue.take(500.0)) == [8.0, 16.0]


def test_a_packet_does_not_start_before_it_came() -> None:
    queue = RateQueue(constant(1e6), 1500)
    queue.put(PACKET, 0.0)
    queue.put(PACKET, 100.0)
    assert (queue.dropped, queue.backlog_bytes) == (0, 1000)
    assert times(queue.take(200.0)) == [8.0, 108.0]


def test_the_queue_waits_out_an_outage() -> None:
    queue = RateQueue(outage(), 10_000)
    queue.put(PACKET, 0.0)
    queue.put(PACKET, 0.0)
    assert times(queue.take(1000.0)) == [8.0, 116.0]


def test_the_trace_begins_at_its_origin() -> None:
    queue = RateQueue(outage(), 10_000, origin_ms=1000.0)
    queue.put(PACKET, 1010.0)
    assert times(queue.take(2000.0)) == [1118.0]
    assert queue.rate_at(1010.0) == 1e6
    assert queue.rate_at(1013.0) == 0.0


def test_a_full_queue_drops_the_new_packet() -> None:
    queue = RateQueue(constant(1e6), 2500)
    for _ in range(4):
        queue.put(PACKET, 0.0)
    assert (queue.dropped, queue.backlog_bytes) == (2, 2000)
    queue.take(8.0)
    queue.put(PACKET, 8.0)
    assert (queue.dropped, queue.backlog_bytes) == (2, 2000)


def test_a_packet_larger_than_the_queue_passes_when_nothing_waits() -> None:
    queue = RateQueue(constant(1e6), 500)
    queue.put(PACKET, 0.0)
    assert times(queue.take(9.0)) == [8.0]


def test_a_dead_link_has_nothing_to_wait_for() -> None:
    queue = RateQueue(constant(0.0), 5000)
    queue.put(PACKET, 0.0)
    assert queue.next_ms is None
    assert queue.take(1e9) == []
    queue.change(constant(1e6), 50.0, 50.0)
    assert queue.next_ms == pytest.approx(58.0)


def test_a_change_keeps_what_the_packet_on_its_way_has_had() -> None:
    queue = RateQueue(constant(1e6), 10_000)
    for _ in range(3):
        queue.put(PACKET, 0.0)
    assert times(queue.change(constant(2e6), 12.0, 12.0)) == [8.0]
    assert times(queue.take(100.0)) == [14.0, 18.0]


@given(arrivals, st.floats(1e5, 1e8), st.integers(1500, 20_000))
def test_packets_are_kept_in_order_or_counted(
    packets: list[tuple[float, int]], bps: float, limit: int
) -> None:
    queue = RateQueue(constant(bps), limit)
    now_ms, left = 0.0, []
    for number, (gap_ms, size) in enumerate(packets):
        now_ms += gap_ms
        left += queue.take(now_ms)
        queue.put(number.to_bytes(2) + bytes(size - 2), now_ms)
        assert queue.backlog_bytes <= limit
    left += queue.take(1e9)
    numbers = [int.from_bytes(packet[:2]) for _, packet in left]
    assert numbers == sorted(numbers)
    assert len(left) + queue.dropped == len(packets)
    assert queue.backlog_bytes == 0
    for (before, _), (after, packet) in pairwise(left):
        assert after - before >= 8000.0 * len(packet) / bps * (1 - 1e-4)


def test_delay() -> None:
    delay = Delay(20.0)
    delay.put(b"a", 1.0)
    delay.put(b"b", 2.0)
    assert delay.next_ms == 21.0
    assert delay.take(21.5) == [(21.0, b"a")]
    assert delay.take(30.0) == [(22.0, b"b")]
    assert delay.next_ms is None


@given(st.lists(st.floats(0.0, 30.0), min_size=1, max_size=100), st.integers(0, 10))
def test_jitter_stays_in_its_limits_and_in_order(gaps_ms: list[float], seed: int) -> None:
    delay = Delay(20.0, 5.0, seed=seed)
    sent_ms = np.cumsum(gaps_ms)
    for number, at_ms in enumerate(sent_ms):
        delay.put(number.to_bytes(1), float(at_ms))
    left = delay.take(1e9)
    assert [packet[0] for _, packet in left] == list(range(len(gaps_ms)))
    delays_ms = np.array([at_ms for at_ms, _ in left]) - sent_ms
    assert delays_ms.min() >= 15.0 - 1e-6
    assert delays_ms.max() <= 25.0 + 1e-6


def test_jitter_is_spread_evenly() -> None:
    delay = Delay(20.0, 5.0, seed=3)
    for number in range(2000):
        delay.put(b"", number * 20.0)
    delays_ms = [at_ms - number * 20.0 for number, (at_ms, _) in enumerate(delay.take(1e9))]
    assert np.quantile(delays_ms, [0.1, 0.5, 0.9]) == pytest.approx([16.0, 20.0, 24.0], abs=0.5)


def test_delay_is_never_below_zero() -> None:
    delay = Delay(1.0, 50.0)
    for number in range(100):
        delay.put(b"", number * 1000.0)
    assert all(at_ms >= n * 1000.0 for n, (at_ms, _) in enumerate(delay.take(1e9)))


def test_reordered_packets_overtake() -> None:
    delay = Delay(30.0, reorder=0.1, seed=1)
    for number in range(1000):
        delay.put(number.to_bytes(2), number * 1.0)
    left = delay.take(1e9)
    at_once = [p for at_ms, p in left if at_ms == int.from_bytes(p)]
    assert 70 <= len(at_once) <= 130
    assert len(left) == 1000
    assert [p for _, p in left] != sorted(p for _, p in left)


@pytest.mark.parametrize(("share", "burst"), [(0.01, 10), (0.2, 3), (0.05, 1)])
def test_losses_in_bursts_are_so_long_and_keep_the_share(share: float, burst: int) -> None:
    loss = PacketLoss(share, seed=4, burst=burst)
    count = 100_000
    for number in range(count):
        loss.put(number.to_bytes(4), float(number))
    left = [int.from_bytes(packet) for _, packet in loss.take(1e9)]
    gaps = [after - before - 1 for before, after in pairwise(left) if after - before > 1]
    assert all(gap % burst == 0 for gap in gaps)  # one may follow on another
    assert loss.lost / count == pytest.approx(share, rel=0.1)
    alone = sum(gap == burst for gap in gaps) / len(gaps)
    assert alone > 0.75


def test_loss_is_the_share_and_by_the_seed() -> None:
    def lost(share: float, seed: int) -> list[int]:
        loss = PacketLoss(share, seed)
        for number in range(5000):
            loss.put(number.to_bytes(2), float(number))
        left = {int.from_bytes(packet) for _, packet in loss.take(1e9)}
        assert loss.lost == 5000 - len(left)
        return sorted(set(range(5000)) - left)

    assert lost(0.0, 1) == []
    assert len(lost(1.0, 1)) == 5000
    assert 430 <= len(lost(0.1, 1)) <= 570
    assert lost(0.1, 1) == lost(0.1, 1) != lost(0.1, 2)
