"""A decoded picture, with the times that it was captured, received and decoded."""

from __future__ import annotations

from dataclasses import dataclass

import av


@dataclass(slots=True)
class DecodedFrame:
    """One decoded picture, in 8-bit YUV 4:2:0 (yuv420p or yuvj420p).

    `rtp` is the raw 32-bit timestamp. Times in ms on the server's monotonic clock: captured, last
    packet received, decoded.
    """

    rtp: int
    image: av.VideoFrame
    width: int
    height: int
    captured_ms: float
    received_ms: float
    decoded_ms: float
