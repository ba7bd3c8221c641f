"""What one frame's packets show by themselves."""

from __future__ import annotations

import pytest

from edge.rtc.bwe.packet_train import OVERHEAD_BYTES, PacketTrain


def _train(arrivals_ms: list[float], sent_ms: list[float] | None = None) -> PacketTrain:
    """Packets of 1,000 bytes at these times; without send times, abs-send-time is missing."""
    sent: list[float] | list[None] = [None] * len(arrivals_ms) if sent_ms is None else sent_ms
    first = 1000 + OVERHEAD_BYTES
    train = PacketTrain(7, arrivals_ms[0], arrivals_ms[0], sent[0], sent[0], first)
    for arrival_ms, at_ms in zip(arrivals_ms[1:], sent[1:], strict=True):
        train.add(1000, arrival_ms, at_ms)
    return train


def test_bits_include_headers_and_bytes_exclude_the_first_packet() -> None:
    train = _train([0.0, 1.0, 2.0])
    assert train.packets == 3
    assert train.bytes == 2 * (1000 + OVERHEAD_BYTES)
    assert train.bits == 3 * 8 * (1000 + OVERHEAD_BYTES)


def test_its_span_is_never_negative() -> None:
    assert _train([5.0, 6.0, 9.0]).span_ms == 4.0
    assert _train([5.0, 4.0]).span_ms == 0.0


def test_the_send_span_is_that_of_the_senders_clock() -> None:
    assert _train([0.0, 9.0], [100.0, 103.0]).sent_span_ms == 3.0
    assert _train([0.0, 9.0]).sent_span_ms == 0.0


@pytest.mark.parametrize(
    ("span_ms", "sent_span_ms", "jitter_ms", "limited_by_sender"),
    [
        (10.0, 10.0, 0.0, True),  # arrives as it was sent
        (11.0, 10.0, 0.0, True),  # within the margin
        (12.5, 10.0, 0.0, False),  # the link spread it further
        (12.5, 10.0, 4.0, True),  # unless jitter did
        (2.0, 10.0, 0.0, True),  # bunched on the way
    ],
)
def test_a_train_is_the_senders_where_the_link_added_nothing(
    span_ms: float, sent_span_ms: float, jitter_ms: float, limited_by_sender: bool
) -> None:
    train = _train([0.0, span_ms], [0.0, sent_span_ms])
    assert train.is_sender_limited(jitter_ms) is limited_by_sender


def test_without_send_times_a_train_counts_as_the_links() -> None:
    assert not _train([0.0, 0.1]).is_sender_limited(100.0)
