"""The simulated encoders."""

import random

import pytest

from analysis.simulator.components import encoder
from analysis.simulator.components.encoder import (
    KEY_FACTOR,
    Encoder,
    JpegEncoder,
    SendRequest,
    jpeg_bits,
)

FPS = 20.0


@pytest.fixture(autouse=True)
def _no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "SIGMA", 0.0)


def frames(made: Encoder, count: int, start_ms: float = 0.0) -> list[float]:
    encoded = [made.encode(start_ms + number * 1000.0 / FPS) for number in range(count)]
    return [each.bits for each in encoded if each is not None]


def video(long_side: int = 416, bps: float = 1e6) -> Encoder:
    return Encoder(SendRequest(long_side, FPS, bps), FPS, random.Random(1))


def test_the_first_frame_is_a_key_frame_and_is_paid_back() -> None:
    bits = frames(video(), 200)
    assert bits[0] == pytest.approx(KEY_FACTOR * 50_000)
    assert all(25_000 <= each <= 50_000 for each in bits[1:])
    assert sum(bits) == pytest.approx(200 * 50_000, rel=0.001)


def test_a_cap_is_obeyed_within_two_frames() -> None:
    made = video()
    frames(made, 100)
    made.ask(SendRequest(416, FPS, 250_000), 5000.0 + made.frame_ms)
    bits = frames(made, 4, 5000.0)
    assert bits[0] == pytest.approx(50_000, rel=0.001)  # before the request is due
    assert bits[1] == pytest.approx(25_000, rel=0.001)
    assert bits[2:] == pytest.approx([12_500, 12_500], rel=0.001)


def test_a_new_size_costs_a_key_frame_new_bits_do_not() -> None:
    made = video()
    frames(made, 100)
    made.ask(SendRequest(416, FPS, 900_000), 5000.0)
    assert max(frames(made, 5, 5000.0)) <= 50_001
    made.ask(SendRequest(320, FPS, 900_000), 6000.0)
    assert max(frames(made, 5, 6000.0)) == pytest.approx(KEY_FACTOR * 45_000)


def test_fewer_frames_are_evenly_spread() -> None:
    made = Encoder(SendRequest(416, 5.0, 1e6), FPS, random.Random(1))
    sent = [made.encode(50.0 * number) is not None for number in range(40)]
    assert sent == [True, False, False, False] * 10


def test_jpegs_have_the_papers_bits() -> None:
    assert 25 * jpeg_bits(128) == pytest.approx(2.0e6)
    assert 25 * jpeg_bits(320) == pytest.approx(9.1e6)
    assert 25 * jpeg_bits(640) == pytest.approx(27.0e6)
    made = JpegEncoder(SendRequest(320, FPS, 0.0), FPS, random.Random(1))
    assert frames(made, 3) == pytest.approx([jpeg_bits(320)] * 3)
