"""Media before its keys: kept within bounds, handed over once, in order."""

from __future__ import annotations

from edge.rtc.transport.early_packets import MAX_BYTES, MAX_PACKETS, EarlyPackets


def test_packets_are_handed_over_once_in_order_with_their_arrivals() -> None:
    early = EarlyPackets()
    for number in range(5):
        assert early.add(bytes([number]), 10.0 * number)
    assert len(early) == 5
    assert list(early.take()) == [(bytes([number]), 10.0 * number) for number in range(5)]
    assert list(early.take()) == []
    assert early.add(b"x", 1.0)


def test_the_newest_is_dropped_once_there_are_too_many() -> None:
    early = EarlyPackets()
    assert all(early.add(b"x", 0.0) for _ in range(MAX_PACKETS))
    assert not early.add(b"y", 0.0)
    assert {data for data, _ in early.take()} == {b"x"}


def test_bytes_are_bounded_too() -> None:
    early = EarlyPackets()
    kept = sum(early.add(bytes(1 << 16), 0.0) for _ in range(100))
    assert kept == MAX_BYTES >> 16
