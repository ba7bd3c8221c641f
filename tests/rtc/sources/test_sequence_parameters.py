"""Picture sizes from x264's parameter sets, and from broken ones."""

from __future__ import annotations

import random
from fractions import Fraction

import av
import pytest
from av.video.codeccontext import VideoCodecContext

from edge.rtc.jitter.nal_units import SPS, kind_of
from edge.rtc.sources.sequence_parameters import picture_size
from tests.rtc.streams import picture, units


def _parameter_set(width: int, height: int, profile: str, options: str, pixels: str) -> bytes:
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, pixels
    context.time_base, context.profile = Fraction(1, 15), profile
    context.options = {"tune": "zerolatency", "preset": "ultrafast", "x264-params": options}
    packets = context.encode(picture(0, width, height).reformat(format=pixels))
    return next(unit for unit in units(bytes(packets[0])) if kind_of(unit) == SPS)


@pytest.mark.parametrize("size", [(160, 120), (320, 180), (322, 182), (640, 360), (1280, 720)])
@pytest.mark.parametrize(
    ("profile", "options", "pixels"),
    [
        ("Baseline", "", "yuv420p"),
        ("Main", "", "yuv420p"),
        ("High", "cqm=jvt", "yuv420p"),
        ("High 4:2:2", "", "yuv422p"),
        ("High 4:4:4 Predictive", "", "yuv444p"),
        ("High 10", "", "yuv420p10le"),
    ],
)
def test_sizes_are_read(size: tuple[int, int], profile: str, options: str, pixels: str) -> None:
    assert picture_size(_parameter_set(*size, profile, options, pixels)) == size


def test_broken_sets_have_no_size_or_a_possible_one() -> None:
    whole = _parameter_set(320, 180, "High", "cqm=jvt", "yuv420p")
    chance = random.Random(1)
    for _ in range(3000):
        cut = bytearray(whole[: chance.randrange(1, len(whole) + 1)])
        for _ in range(chance.randrange(3)):
            cut[chance.randrange(len(cut))] = chance.randrange(256)
        size = picture_size(bytes(cut))
        assert size is None or all(0 < side <= 16_384 for side in size)
    for body in (b"", bytes(600), b"\xff" * 600):
        picture_size(b"\x67" + body)
