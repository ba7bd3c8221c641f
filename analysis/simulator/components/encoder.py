"""Simulated encoders: how many bits the next frame has, and how soon a request is obeyed."""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass

KEY_FACTOR = 5.0  # a key frame's bits over an ordinary frame's
SIGMA = 0.2  # of the logarithm of a frame's bits
LEAST_BITS = 400.0  # of any frame
_REPAYMENT = 0.1  # part of a key frame's excess bits that each later frame saves
_LARGEST_SAVING = 0.5  # of an ordinary frame's bits

# Jellyfish's square JPEGs of quality 90: bits a frame by long side (Mbit/s at 25 frames a second).
_JPEG = [(128, 2.0e6 / 25), (320, 9.1e6 / 25), (640, 27.0e6 / 25)]


@dataclass(frozen=True, slots=True)
class SendRequest:
    """A request to an encoder: long side in pixels, frames and bits a second."""

    long_side: int
    fps: float
    bps: float


@dataclass(frozen=True, slots=True)
class SimulatedEncoding:
    """One encoded frame: its long side, its bits, and the bitrate and frame rate that its quality
    corresponds to."""

    long_side: int
    bits: float
    bps: float
    fps: float


class Encoder:
    """A video encoder in constant-bitrate mode: the one model of the simulator and of tests.

    The first frame after a request is obeyed has the new size and is a key frame if the size
    changed; its bits are the geometric mean of the old bitrate's and the new one's. The bits of
    the second frame are those asked for. The excess bits of a key frame are saved on the frames
    after it, little by little.
    """

    codec = "vp8"
    largest_deviation = math.inf  # of a frame's bits from the usual, as a factor

    def __init__(self, request: SendRequest, camera_fps: float, rng: random.Random) -> None:
        self._request = request
        self._rng = rng
        self._camera_fps = camera_fps
        self._pending: deque[tuple[float, SendRequest]] = deque()
        self._is_key = True
        self._debt_bits = 0.0
        self._owed_frames = 1.0 - request.fps / camera_fps  # at 1 a frame is sent

    @property
    def request(self) -> SendRequest:
        """The request that is obeyed now."""
        return self._request

    @property
    def frame_ms(self) -> float:
        """The time from one camera frame to the next."""
        return 1000.0 / self._camera_fps

    def ask(self, request: SendRequest, due_ms: float) -> None:
        """Requests are obeyed from the first frame at `due_ms` or later, in the order given."""
        self._pending.append((due_ms, request))

    def ask_key_frame(self) -> None:
        """Makes the next frame a key frame."""
        self._is_key = True

    def encode(self, now_ms: float) -> SimulatedEncoding | None:
        """Encodes the camera's next frame; None if the requested frame rate leaves it out."""
        noise = math.exp(self._rng.gauss(-SIGMA * SIGMA / 2.0, SIGMA))
        before_bps = self._request.bps
        while self._pending and self._pending[0][0] <= now_ms + 1e-6:
            _, request = self._pending.popleft()
            self._is_key |= request.long_side != self._request.long_side
            self._request = request
        request = self._request
        self._owed_frames += request.fps / self._camera_fps
        if self._owed_frames < 1.0 - 1e-9:
            return None
        self._owed_frames = min(self._owed_frames - 1.0, 1.0)
        bps = math.sqrt(before_bps * request.bps)
        usual_bits = bps / self._divisor_fps(now_ms)
        bits = usual_bits * min(noise, self.largest_deviation)
        if self._is_key:
            self._is_key = False
            self._debt_bits = (KEY_FACTOR - 1.0) * usual_bits
            bits *= KEY_FACTOR
        else:
            saved = min(_REPAYMENT * self._debt_bits, _LARGEST_SAVING * bits)
            self._debt_bits -= saved
            bits -= saved
        return SimulatedEncoding(request.long_side, max(bits, LEAST_BITS), bps, request.fps)

    def _divisor_fps(self, now_ms: float) -> float:
        """The frame rate by which the bitrate is divided into frames."""
        return self._request.fps


class JpegEncoder(Encoder):
    """Square JPEGs of quality 90: the size alone decides the bits."""

    codec = "jpeg90"

    def encode(self, now_ms: float) -> SimulatedEncoding | None:
        """As the video encoder's, but no frame depends on another."""
        self._is_key = False
        encoded = super().encode(now_ms)
        if encoded is None:
            return None
        noise = math.exp(self._rng.gauss(-SIGMA * SIGMA / 8.0, SIGMA / 2.0))
        bits = jpeg_bits(encoded.long_side)
        bps = bits * encoded.fps
        return SimulatedEncoding(encoded.long_side, bits * noise, bps, encoded.fps)


def jpeg_bits(long_side: int) -> float:
    """Bits of a JPEG as Jellyfish sends it: linear in pixels between the paper's values."""
    (low, low_bits), (high, high_bits) = _JPEG[:2] if long_side <= _JPEG[1][0] else _JPEG[1:]
    part = (long_side * long_side - low * low) / (high * high - low * low)
    return low_bits + part * (high_bits - low_bits)
