"""Arrivals of frames, from the packets at the socket."""

from __future__ import annotations

from analysis.bench.rate.receivers import FrameArrivals


def _packet(sequence: int, timestamp: int, *, marker: bool, ssrc: int = 1) -> bytes:
    head = bytes([0x80, 97 | marker << 7]) + sequence.to_bytes(2, "big")
    return head + timestamp.to_bytes(4, "big") + ssrc.to_bytes(4, "big") + b"\x00"


def test_a_frame_has_arrived_with_its_last_packet() -> None:
    arrivals = FrameArrivals()
    for ms, (sequence, timestamp, marker) in enumerate(
        [(65534, 10, False), (65535, 10, True), (0, 20, False), (2, 20, True), (3, 30, True)]
    ):
        arrivals.note(_packet(sequence, timestamp, marker=marker), float(ms))
    assert arrivals.received_ms({10, 20, 30}) == {10: 1.0, 30: 4.0}
    arrivals.note(_packet(7, 20, marker=False, ssrc=2), 9.0)  # sent again
    assert arrivals.received_ms({10, 20, 30})[20] == 9.0


def test_datagrams_that_are_not_rtp_are_ignored() -> None:
    arrivals = FrameArrivals()
    arrivals.note(b"\x00\x01", 0.0)
    arrivals.note(bytes([0x80, 200]) + bytes(30), 0.0)
    assert arrivals.received_ms({1}) == {}


def test_a_lost_packet_counts_against_the_frame_that_it_belongs_to() -> None:
    arrivals = FrameArrivals()
    for ms, (sequence, timestamp, marker) in enumerate(
        [(1, 10, False), (3, 20, False), (4, 20, True), (6, 30, True)]
    ):
        arrivals.note(_packet(sequence, timestamp, marker=marker), float(ms))
    # 2 was the end of frame 10, 5 the beginning of frame 30.
    assert arrivals.received_ms({10, 20, 30}) == {20: 2.0}
