"""When a session is ended: silence, a page that is gone, too much traffic."""

from __future__ import annotations

import pytest

from edge.config import load
from edge.session.liveness import (
    CHECK_TIMEOUT_MS,
    CONNECT_TIMEOUT_MS,
    HANDSHAKE_TIMEOUT_MS,
    PING_TIMEOUT_MS,
    LivenessMonitor,
)

SETTINGS = load(media_timeout_s=3.0, fps=10, end_fps=20, max_bps=1_000_000, end_bps=1_000_000)


def _monitor() -> LivenessMonitor:
    return LivenessMonitor(SETTINGS, 0.0)


def test_an_offer_without_a_connectivity_check_ends() -> None:
    monitor = _monitor()
    assert monitor.half_open_end_reason(False, CHECK_TIMEOUT_MS) is None
    end = monitor.half_open_end_reason(False, CHECK_TIMEOUT_MS + 1)
    assert end == ("no connectivity check came", "timeout")


def test_a_checked_offer_ends_without_a_handshake() -> None:
    monitor = _monitor()
    assert monitor.half_open_end_reason(True, 3_000.0) is None
    assert monitor.half_open_end_reason(True, 3_000.0 + HANDSHAKE_TIMEOUT_MS) is None
    end = monitor.half_open_end_reason(True, 3_001.0 + HANDSHAKE_TIMEOUT_MS)
    assert end == ("the connection was not established", "timeout")


def test_a_session_without_media_ends_after_the_connect_timeout() -> None:
    monitor = _monitor()
    assert monitor.end_reason(False, 0, 0, CONNECT_TIMEOUT_MS) is None
    assert monitor.end_reason(False, 0, 0, CONNECT_TIMEOUT_MS + 1) == ("no media came", "timeout")


def test_a_publisher_of_another_payload_type_is_told_of_it() -> None:
    monitor = _monitor()
    end = monitor.end_reason(False, 0, 0, CONNECT_TIMEOUT_MS + 1, unknown_types={111, 96})
    assert end is not None
    text = "no video came: only payload type 96, 111, which the answer's video does not have"
    assert end[0] == text


def test_a_session_whose_media_stops_ends_after_the_media_timeout() -> None:
    monitor = _monitor()
    monitor.on_media(20_000.0)
    assert monitor.end_reason(True, 0, 0, 23_000.0) is None
    assert monitor.end_reason(True, 0, 0, 23_001.0) == ("no media for 3 s", "timeout")
    monitor.on_media(23_001.0)
    assert monitor.end_reason(True, 0, 0, 23_001.0) is None


def test_a_page_that_pinged_must_go_on_pinging() -> None:
    monitor = _monitor()
    for now_ms in (0.0, 1000.0):
        monitor.on_ping(now_ms)
    monitor.on_media(1000.0 + PING_TIMEOUT_MS)
    assert monitor.end_reason(True, 0, 0, 1000.0 + PING_TIMEOUT_MS) is None
    end = monitor.end_reason(True, 0, 0, 1001.0 + PING_TIMEOUT_MS)
    assert end == ("the page is gone", "timeout")


def test_a_publisher_that_never_pinged_need_not() -> None:
    monitor = _monitor()
    monitor.on_media(60_000.0)
    assert monitor.end_reason(True, 0, 0, 60_000.0) is None


@pytest.mark.parametrize(
    ("received_bytes", "frames", "words"),
    [
        (500_000, 50, "too much was sent: 3.0 Mbit/s, and at most 1 are taken"),
        (1000, 100, "too much was sent: 80 frames a second, and at most 20 are taken"),
    ],
)
def test_a_publisher_far_above_its_limits_is_ended(
    received_bytes: int, frames: int, words: str
) -> None:
    monitor = _monitor()
    monitor.on_media(2_000.0)
    assert monitor.end_reason(True, 0, 0, 0.0) is None
    assert monitor.end_reason(True, 125_000, 20, 1_000.0) is None
    assert monitor.end_reason(True, received_bytes, frames, 2_000.0) == (words, "excess")


def _ends(leap: int, packets_a_second: float, seconds: float) -> tuple[float, str] | None:
    """When a publisher is ended of whose packets each is `leap` numbers after the last; in ms."""
    monitor = _monitor()
    for tick in range(int(10 * seconds) + 1):
        now_ms = 100.0 * tick
        monitor.on_media(now_ms)
        missed = int((leap - 1) * packets_a_second * now_ms / 1000.0)
        if (end := monitor.end_reason(True, 0, 0, now_ms, missed)) is not None:
            return now_ms, end[1]
    return None


@pytest.mark.parametrize(("leap", "rate"), [(500, 300.0), (500, 60.0), (998, 20.0), (20, 800.0)])
def test_invented_sequence_numbers_end_a_session_within_a_second(leap: int, rate: float) -> None:
    end = _ends(leap, rate, 10.0)
    assert end is not None
    assert end[0] <= 1_000.0
    assert end[1] == "abuse"


def test_no_loss_of_a_link_is_taken_for_invented() -> None:
    assert _ends(10, 400.0, 60.0) is None  # nine of ten lost, of 16 Mbit/s and more
    monitor = _monitor()
    for outage in range(20):  # each second one ends that lost as much as is not a new stream
        monitor.on_media(1000.0 * outage)
        assert monitor.end_reason(True, 0, 0, 1000.0 * outage, 1000 * outage) is None
