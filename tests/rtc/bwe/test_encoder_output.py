"""The encoder as its frames show it: bitrate, usual frame, debt."""

from __future__ import annotations

import pytest

from edge.rtc.bwe.encoder_output import EncoderOutput

INTERVAL_MS = 1000.0 / 15.0


def _encode(encoder: EncoderOutput, first: int, bits: list[float], late_ms: float = 0.0) -> float:
    """Frames from number `first` on; when the last one ended."""
    for number, each in enumerate(bits, start=first):
        encoder.begin_frame(number * INTERVAL_MS, number * INTERVAL_MS)
        encoder.end_frame(each, number * INTERVAL_MS + late_ms)
    return (first + len(bits) - 1) * INTERVAL_MS + late_ms


def test_the_bitrate_is_by_the_encoders_clock() -> None:
    encoder = EncoderOutput()
    assert encoder.bps == 0.0
    _encode(encoder, 0, [10_000.0] * 30, late_ms=900.0)
    assert encoder.bps == pytest.approx(150_000.0)


def test_a_usual_frame_is_the_median_of_five() -> None:
    encoder = EncoderOutput()
    _encode(encoder, 0, [1e3, 9e3])
    assert not encoder.usual_bits
    _encode(encoder, 2, [2e3, 90e3, 3e3])
    assert encoder.usual_bits == 3e3


def test_a_lower_cap_forgets_the_frames_before_it() -> None:
    encoder = EncoderOutput()
    now_ms = _encode(encoder, 0, [80e3] * 20)
    encoder.set_cap(600e3, now_ms)
    assert not encoder.usual_bits
    _encode(encoder, 20, [40e3] * 3)
    assert encoder.usual_bits == 40e3
    encoder.set_cap(900e3, now_ms + 300.0)
    assert encoder.usual_bits == 40e3  # a higher one doesn't


def test_a_frame_sent_before_the_cap_is_not_counted_under_it() -> None:
    encoder = EncoderOutput()
    encoder.set_cap(600e3, 1000.0)
    for number in range(4):
        encoder.begin_frame(number * INTERVAL_MS, 999.0)
        encoder.end_frame(80e3, 1010.0)
    assert not encoder.usual_bits
    assert encoder.mean_bits > 0.0


class TestDebt:
    def test_without_a_cap_there_is_none(self) -> None:
        encoder = EncoderOutput()
        _encode(encoder, 0, [1e6] * 5)
        assert encoder.repaid_ms == 0.0

    def test_it_is_repaid_at_the_rate_of_the_cap(self) -> None:
        encoder = EncoderOutput()
        encoder.set_cap(100e3, 0.0)
        encoder.begin_frame(0.0, 0.0)
        encoder.end_frame(50e3, 0.0)
        assert encoder.repaid_ms == pytest.approx(500.0)
        encoder.set_cap(200e3, 250.0)  # half is repaid, the rest twice as fast
        assert encoder.repaid_ms == pytest.approx(375.0)

    def test_it_is_bounded(self) -> None:
        encoder = EncoderOutput()
        encoder.set_cap(100e3, 0.0)
        for _ in range(50):
            encoder.begin_frame(0.0, 0.0)
            encoder.end_frame(10e3, 0.0)
        assert encoder.repaid_ms == pytest.approx(200.0)
        encoder.end_frame(1e9, 0.0)
        assert encoder.repaid_ms == 2_500.0
