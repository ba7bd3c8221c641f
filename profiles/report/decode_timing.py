"""How long the decoders of this machine take."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any, cast

import av

from profiles.report.device_report import DecodeTiming

ENCODERS = {
    "vp8": ("libvpx", {"deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0"}),
    "h264": ("libx264", {"preset": "veryfast", "tune": "zerolatency", "profile": "baseline"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "7", "lag-in-frames": "0"}),
    "av1": ("libsvtav1", {"preset": "10", "svtav1-params": "pred-struct=1:lookahead=0:rc=2"}),
}
DECODERS = {"vp8": "vp8", "h264": "h264", "vp9": "vp9", "av1": "libdav1d"}
_FPS, _BPS = 15, 1_000_000

os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes errors only


def decode_timing(codec: str, frames: Sequence[av.VideoFrame]) -> DecodeTiming:
    """The decoder's processor time a frame, for `frames` encoded at 1 Mbit/s."""
    # SVT-AV1, as root, gives the thread that opens it a real-time priority for good.
    with ThreadPoolExecutor(1) as own_thread:
        packets = own_thread.submit(_encoded, codec, frames).result()
    decoder = cast(Any, av.CodecContext.create(DECODERS[codec], "r"))
    decoder.thread_count = 1
    started_s = time.process_time()
    decoded = sum(len(decoder.decode(packet)) for packet in [*packets, None])
    taken_ms = 1000.0 * (time.process_time() - started_s)
    return DecodeTiming(codec, frames[0].width, frames[0].height, taken_ms / max(1, decoded))


def _encoded(codec: str, frames: Sequence[av.VideoFrame]) -> list[Any]:
    name, options = ENCODERS[codec]
    encoder = cast(Any, av.CodecContext.create(name, "w"))
    encoder.width, encoder.height = frames[0].width, frames[0].height
    encoder.pix_fmt, encoder.bit_rate = "yuv420p", _BPS
    encoder.framerate, encoder.time_base = Fraction(_FPS), Fraction(1, _FPS)
    encoder.options = options
    packets = []
    for index, frame in enumerate(frames):
        frame.pts, frame.time_base, frame.pict_type = index, Fraction(1, _FPS), 0
        packets += encoder.encode(frame)
    return [*packets, *encoder.encode(None)]
