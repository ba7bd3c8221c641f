"""Simulated encoders: how many bits the next frame has, and how soon a wish is obeyed."""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass

KEY_FACTOR = 5.0  # of a key frame's bits to a usual frame's
SIGMA = 0.2  # of the logarithm of a frame's bits
LEAST_BITS = 400.0  # of any frame
_PAY_BACK = 0.1  # of what a key frame took too much, taken off each later frame
_DEEPEST = 0.5  # of a usual frame's bits, that paying back leaves at the least

# Jellyfish's JPEGs of quality 90, square: bits a frame by edge (Mbit/s at 25 fps).
_JPEG = [(128, 2.0e6 / 25), (320, 9.1e6 / 25), (640, 27.0e6 / 25)]


@dataclass(frozen=True, slots=True)
class Wish:
    """What to send: longest side in pixels, frames and bits a second."""

    long_side: int
    fps: float
    bps: float


@dataclass(frozen=True, slots=True)
class Encoded:
    """A frame: its longest side, its bits, and the rate that its quality is worth."""

    long_side: int
    bits: float
    bps: float
    fps: float


class Encoder:
    """A video encoder in constant-bitrate mode.

    A wish is obeyed from one frame after it came: the size at once, with a key frame; the bits
    half-way (geometrically) with that frame and in full with the next. What a key frame takes too
    much is taken off the frames after it, little by little.
    """

    codec = "vp8"

    def __init__(self, wish: Wish, camera_fps: float, rng: random.Random) -> None:
        self._wish = wish
        self._rng = rng
        self._camera_fps = camera_fps
        self._coming: deque[tuple[float, Wish]] = deque()
        self._is_key = True
        self._debt_bits = 0.0
        self._turn = 1.0 - wish.fps / camera_fps  # reaches 1 whenever a frame is to be sent

    @property
    def wish(self) -> Wish:
        """What is obeyed now."""
        return self._wish

    def ask(self, wish: Wish, now_ms: float) -> None:
        """A wish has come in."""
        self._coming.append((now_ms + 1000.0 / self._camera_fps, wish))

    def encode(self, now_ms: float) -> Encoded | None:
        """The camera's next frame; None if it is left out for the sake of the frame rate."""
        noise = math.exp(self._rng.gauss(-SIGMA * SIGMA / 2.0, SIGMA))
        before_bps = self._wish.bps
        while self._coming and self._coming[0][0] <= now_ms + 1e-6:
            _, wish = self._coming.popleft()
            self._is_key |= wish.long_side != self._wish.long_side
            self._wish = wish
        wish = self._wish
        self._turn += wish.fps / self._camera_fps
        if self._turn < 1.0 - 1e-9:
            return None
        self._turn = min(self._turn - 1.0, 1.0)
        bps = math.sqrt(before_bps * wish.bps)
        usual_bits = bps / wish.fps
        bits = usual_bits * noise
        if self._is_key:
            self._is_key = False
            self._debt_bits = (KEY_FACTOR - 1.0) * usual_bits
            bits *= KEY_FACTOR
        else:
            pays = min(_PAY_BACK * self._debt_bits, (1.0 - _DEEPEST) * bits)
            self._debt_bits -= pays
            bits -= pays
        return Encoded(wish.long_side, max(bits, LEAST_BITS), bps, wish.fps)


class JpegEncoder(Encoder):
    """Square JPEGs of quality 90: the size alone decides the bits."""

    codec = "jpeg90"

    def encode(self, now_ms: float) -> Encoded | None:
        """As the video encoder's; no frame depends on another."""
        self._is_key = False
        encoded = super().encode(now_ms)
        if encoded is None:
            return None
        noise = math.exp(self._rng.gauss(-SIGMA * SIGMA / 8.0, SIGMA / 2.0))
        bits = jpeg_bits(encoded.long_side)
        return Encoded(encoded.long_side, bits * noise, bits * encoded.fps, encoded.fps)


def jpeg_bits(long_side: int) -> float:
    """Bits of a JPEG as Jellyfish sends it: linear in pixels between the paper's figures."""
    (low, low_bits), (high, high_bits) = _JPEG[:2] if long_side <= _JPEG[1][0] else _JPEG[1:]
    part = (long_side * long_side - low * low) / (high * high - low * low)
    return low_bits + part * (high_bits - low_bits)
