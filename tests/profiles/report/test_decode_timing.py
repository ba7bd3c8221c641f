"""Decoders timed over real frames."""

from __future__ import annotations

import av
import numpy as np
import pytest

from profiles.report.decode_timing import ENCODERS, decode_timing


@pytest.mark.parametrize("codec", ENCODERS)
def test_a_decoder_takes_time(codec: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (8, 96, 128, 3), dtype=np.uint8)
    frames = [av.VideoFrame.from_ndarray(each, format="rgb24") for each in pixels]
    timing = decode_timing(codec, [frame.reformat(format="yuv420p") for frame in frames])
    assert (timing.codec, timing.width, timing.height) == (codec, 128, 96)
    assert timing.ms > 0.0
