"""GStreamer's webrtcbin publishes: RSA certificate, actpass, audio beside the video or before."""

from __future__ import annotations

import pytest

from tests.interop.whip import FRAMES, GSTREAMER, gstreamer_missing, publish

_MISSING = gstreamer_missing()
pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(bool(_MISSING), reason=f"no GStreamer: {_MISSING}"),
]


@pytest.mark.parametrize(
    "options",
    [
        "--codec vp8",
        "--codec vp9",
        "--codec vp9 --pt 50",
        "--codec h264",
        "--codec h264 --profile main",
        "--codec h264 --profile high --pt 40",
        "--codec vp8 --bundle none",
        "--codec vp8 --audio",
        "--codec vp8 --audio --bundle none",
        "--codec h264 --audio --audio-first",
        "--codec vp8 --audio --audio-first --bundle max-compat",
    ],
)
async def test_every_frame_of_it_has_one_outcome(options: str) -> None:
    published = await publish(GSTREAMER, "--frames", str(FRAMES), *options.split())
    assert 0 < published.sent <= FRAMES  # an encoder that is behind leaves some out
    published.check()


async def test_a_codec_that_is_switched_off_is_refused_in_words() -> None:
    published = await publish(GSTREAMER, "--codec", "vp9", codecs=["h264", "vp8"])
    assert published.status == 1
    assert "VP9 is switched off (this server takes H264, VP8)" in published.output
