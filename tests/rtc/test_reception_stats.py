"""Receiver reports and loss, from packets counted one by one."""

from __future__ import annotations

import pytest

from edge.rtc.reception_stats import LossWindow, ReceptionStats


def _receive(stats: ReceptionStats, sequences: list[int]) -> list[bool]:
    return [stats.add(number & 0xFFFF, 0, 0.0) for number in sequences]


def test_packets_in_order_across_the_wrap() -> None:
    stats = ReceptionStats()
    assert all(_receive(stats, list(range(0xFFF0, 0x10010))))
    assert (stats.received, stats.expected, stats.missing) == (32, 32, 0)
    block = stats.report(7, 0, 0.0)
    assert block is not None
    assert block.highest_sequence == 0x1000F  # one cycle


def test_a_packet_that_comes_late_is_no_longer_missing() -> None:
    stats = ReceptionStats()
    assert _receive(stats, [1, 2, 5]) == [True, True, True]
    assert stats.missing == 2
    assert _receive(stats, [3]) == [False]
    assert stats.missing == 1


def test_duplicates_make_no_negative_loss() -> None:
    stats = ReceptionStats()
    _receive(stats, [1, 2, 2, 2])
    assert stats.missing == 0
    block = stats.report(7, 0, 0.0)
    assert block is not None
    assert (block.fraction_lost, block.lost) == (0.0, -2)


def test_each_report_has_the_share_lost_since_the_last() -> None:
    stats = ReceptionStats()
    assert stats.report(7, 0, 0.0) is None
    _receive(stats, [number for number in range(100) if number % 4])
    first = stats.report(7, 0x1234, 56.0)
    assert first is not None
    assert (first.ssrc, first.last_report, first.delay_ms) == (7, 0x1234, 56.0)
    assert first.fraction_lost == pytest.approx(24 / 99)  # the first packet was the second sent
    _receive(stats, list(range(100, 200)))
    second = stats.report(7, 0, 0.0)
    assert second is not None
    assert (second.fraction_lost, second.lost) == (0.0, 24)


def test_a_sender_that_starts_over_is_counted_from_there() -> None:
    stats = ReceptionStats()
    _receive(stats, [1, 2, 9])
    assert _receive(stats, [40_000, 40_001]) == [False, False]  # strays, for all that is known
    assert (stats.received, stats.missing) == (3, 6)
    stats.start_over(40_000, 40_001)
    assert (stats.received, stats.missing) == (2, 0)
    assert _receive(stats, [40_002]) == [True]


def test_jitter_is_the_smoothed_change_of_transit() -> None:
    stats = ReceptionStats()
    for number in range(200):
        stats.add(number, 6000 * number, 1000.0 * number / 15.0 + (4.0 if number % 2 else 0.0))
    block = stats.report(7, 0, 0.0)
    assert block is not None
    assert block.jitter == pytest.approx(4.0 * 90, rel=0.05)


def test_a_timestamp_that_jumps_is_no_jitter() -> None:
    stats = ReceptionStats()
    stats.add(1, 0, 0.0)
    stats.add(2, 3000, 33.3)
    stats.add(3, 0xFFFFFF00, 66.6)
    block = stats.report(7, 0, 0.0)
    assert block is not None
    assert block.jitter <= 1


def test_loss_is_that_of_the_last_two_seconds() -> None:
    losses = LossWindow()
    assert losses.share == 0.0
    losses.add(100, 0, 0.0)
    assert losses.share == 0.0
    losses.add(190, 10, 1000.0)
    assert losses.share == pytest.approx(0.1)
    for second in range(2, 6):
        losses.add(100 + 100 * second, 10, 1000.0 * second)
    assert losses.share == 0.0


def test_totals_that_fall_are_no_loss() -> None:
    losses = LossWindow()
    losses.add(100, 50, 0.0)
    losses.add(200, 20, 100.0)  # late packets came
    assert losses.share == 0.0
