"""Datagrams admitted and refused, and sessions ended, by time and source."""

from __future__ import annotations

import pytest

from edge.rtc.guard.suppressed_errors import SuppressedErrors
from edge.rtc.guard.transport_guard import (
    FORGED_BURST,
    FORGED_PER_S,
    HEADER_BYTES,
    MAX_ADDRESSES,
    MAX_VIOLATIONS,
    PACKETS_BURST,
    PACKETS_PER_S,
    RTCP_BURST,
    RTCP_PER_S,
    STRANGERS_BURST,
    TransportGuard,
)

ME, STRANGER = ("192.0.2.1", 5000), ("192.0.2.2", 5000)
STUN, DTLS, MEDIA = b"\x00\x01", b"\x16\xfe", b"\x80\x60"
RTCP, UNKNOWN = b"\x80\xc8", b"\xff\xff"


class Watched:
    def __init__(self) -> None:
        self.ends: list[tuple[str, str]] = []
        self.guard = TransportGuard(lambda *end: self.ends.append(end), SuppressedErrors(), 0.25)
        assert self.guard.learn(ME)

    def admitted(self, data: bytes, count: int, at_ms: float = 0.0) -> int:
        return sum(self.guard.admits(data, ME, at_ms) for _ in range(count))


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.mark.parametrize("data", [STUN, DTLS])
def test_packets_other_than_media_have_a_rate(watched: Watched, data: bytes) -> None:
    burst = int(PACKETS_BURST)
    assert watched.admitted(data, burst + 50) == burst
    assert watched.admitted(data, 500, 1000.0) == int(PACKETS_PER_S)
    assert watched.guard.refused["packet rate"] == 50 + 500 - int(PACKETS_PER_S)
    assert watched.admitted(MEDIA, 10_000) == 10_000
    assert not watched.ends


def test_rtcp_has_a_rate_of_its_own(watched: Watched) -> None:
    burst = int(RTCP_BURST)
    assert watched.admitted(RTCP, burst + 50) == burst
    assert watched.admitted(RTCP, 200, 1000.0) == int(RTCP_PER_S)
    assert watched.admitted(MEDIA, 1000, 1000.0) == 1000
    assert watched.guard.refused["RTCP rate"] == 50 + 200 - int(RTCP_PER_S)
    assert not watched.ends


@pytest.mark.parametrize("data", [STUN, DTLS, RTCP, UNKNOWN])
def test_a_flood_of_useless_packets_ends_the_session_within_a_second(
    watched: Watched, data: bytes
) -> None:
    for number in range(1200):
        watched.guard.admits(data, ME, number / 1.2)
    [(code, _)] = watched.ends
    assert code == "excess"
    assert not watched.guard.admits(MEDIA, ME, 1000.0)


def test_packets_that_no_key_authenticates_are_useless(watched: Watched) -> None:
    for _ in range(int(FORGED_BURST)):
        watched.guard.forged(0.0)
    assert not watched.ends
    watched.guard.forged(0.0)
    [(code, reason)] = watched.ends
    assert (code, "not authentic" in reason) == ("excess", True)


def test_a_network_that_duplicates_every_packet_ends_nothing(watched: Watched) -> None:
    for number in range(60 * 400):  # a minute at 4 Mbit/s
        watched.guard.forged(number * 2.5)
    assert FORGED_PER_S > 400
    assert not watched.ends


def test_refused_datagrams_are_taken_once(watched: Watched) -> None:
    watched.guard.admits(DTLS, STRANGER, 0.0)
    watched.guard.refuse("malformed STUN")
    assert watched.guard.take_refused() == {"stranger": 1, "malformed STUN": 1}
    watched.guard.admits(DTLS, STRANGER, 0.0)
    assert watched.guard.take_refused() == {"stranger": 1}
    assert not watched.guard.take_refused()
    assert watched.guard.refused == {"stranger": 2, "malformed STUN": 1}


def test_all_bytes_of_the_publisher_count_and_no_others(watched: Watched) -> None:
    for data in (STUN, DTLS, MEDIA, b"\xff", b""):
        watched.guard.admits(data, ME, 0.0)
        watched.guard.admits(data, STRANGER, 0.0)
    assert watched.guard.received_bytes == 2 + 2 + 2 + 1 + 0 + 5 * HEADER_BYTES
    before, count = watched.guard.received_bytes, int(PACKETS_BURST) + 100
    assert watched.admitted(DTLS, count) < count
    assert watched.guard.received_bytes == before + count * (2 + HEADER_BYTES)  # refused ones too


def test_strangers_may_send_a_few_checks_and_cost_the_publisher_nothing(watched: Watched) -> None:
    guard = watched.guard
    assert not guard.admits(DTLS, STRANGER, 0.0)
    assert not guard.admits(MEDIA, STRANGER, 0.0)
    burst = int(STRANGERS_BURST)
    assert sum(guard.admits(STUN, STRANGER, 0.0) for _ in range(10 * burst)) == burst
    assert guard.admits(STUN, ME, 0.0)
    assert guard.refused == {"stranger": 2, "stranger's STUN": 9 * burst}


def test_addresses_are_bounded(watched: Watched) -> None:
    learnt = [watched.guard.learn(("192.0.2.9", port)) for port in range(2000)]
    assert sum(learnt) == MAX_ADDRESSES - 1
    assert watched.guard.learn(ME)


def test_violations_end_the_session_once(watched: Watched) -> None:
    for _ in range(int(MAX_VIOLATIONS)):
        watched.guard.violation("DATA without user data", 0.0)
    assert not watched.ends
    for _ in range(3):
        watched.guard.violation("DATA without user data", 0.0)
    assert watched.ends == [("abuse", "forbidden packets were sent: DATA without user data")]
    assert watched.admitted(MEDIA, 5) == 0


def test_violations_are_forgiven_with_time(watched: Watched) -> None:
    for minute in range(1000):
        watched.guard.violation("INIT in an established association", 60_001.0 * minute)
    assert not watched.ends


def test_a_fatal_violation_ends_at_once(watched: Watched) -> None:
    watched.guard.violation("a parameter shorter than its header", 0.0, fatal=True)
    assert [code for code, _ in watched.ends] == ["abuse"]


def test_processor_time_ends_the_session(watched: Watched) -> None:
    watched.guard.charge(0.2, 0.0)
    assert not watched.ends
    watched.guard.charge(0.1, 100.0)
    [(code, reason)] = watched.ends
    assert code == "excess"
    assert "25 % of a processor core" in reason


def test_a_failing_session_is_counted() -> None:
    def fail(code: str, reason: str) -> None:
        raise ValueError(code)

    errors = SuppressedErrors()
    guard = TransportGuard(fail, errors)
    guard.violation("any", 0.0, fatal=True)
    assert guard.ended
    assert errors.count == 1
