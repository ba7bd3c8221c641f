"""FFmpeg's own WHIP muxer, as PyAV brings it: publishes a picture that moves.

    python -m tests.interop.ffmpeg_publisher URL [--frames N] [--profile P] [--option KEY=VALUE ...]

A process of its own: libavformat negotiates and shakes hands while it holds the interpreter.
Writes the number of frames that it sent as JSON to standard output, FFmpeg's messages to standard
error.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from fractions import Fraction

import av
import numpy as np
from av.video.stream import VideoStream

WIDTH, HEIGHT = 320, 192


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--profile", choices=("baseline", "main", "high"), default="baseline")
    parser.add_argument("--gop", type=int, default=1000)
    parser.add_argument("--option", action="append", default=[], help="of the muxer: KEY=VALUE")
    options = parser.parse_args()
    av.logging.set_level(av.logging.DEBUG)
    av.logging.restore_default_callback()
    muxer = dict(option.split("=", 1) for option in options.option)
    with av.open(options.url, "w", format="whip", options=muxer) as output:
        stream = output.add_stream("libx264", rate=options.fps)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, options.fps)
        stream.options = {
            "tune": "zerolatency",
            "preset": "superfast",
            "profile": options.profile,
            "g": str(options.gop),
        }
        output.start_encoding()
        began = time.monotonic()
        sent = 0
        for index in range(options.frames):
            image = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
            image[:, 10 * index % WIDTH :] = (40, 160, 220)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, options.fps)
            for packet in stream.encode(frame):
                output.mux(packet)
                sent += 1
            time.sleep(max(0.0, began + (index + 1) / options.fps - time.monotonic()))
    print(json.dumps({"sent": sent}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
