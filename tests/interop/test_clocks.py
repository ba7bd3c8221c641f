"""Senders whose clocks, numbers and sources are not what they say, over real connections.

Judged is what the server believed of a frame's time of capture, beside when it was sent, not how
long anything took: an objective of 5 s leaves time for every answer on a busy machine.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import av
import pytest
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from edge.workers.simulated import CELLS
from tests.interop.scripted_sender import SIDE, Scripted, cell_of, picture, sending
from tests.rtc.streams import Encoded, packetise
from tests.serving import base, serving

pytestmark = pytest.mark.interop

FRAMES = 60
KEY_EVERY = 10
SETTLED = 15  # frames after a change: a second, at 15 a second
BELIEVABLE_MS = 150.0  # between capture as believed and the moment of sending
Script = Callable[[], list[Scripted]]


@functools.cache
def clip(count: int) -> tuple[Encoded, ...]:
    """`count` frames of VP8, the bright cell of each its number modulo 64."""
    context = av.CodecContext.create("libvpx", "w")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1  # several would wait for each other busily
    context.width = context.height = SIDE
    context.pix_fmt = "yuv420p"
    context.bit_rate = 1_000_000
    context.time_base = Fraction(1, 15)
    context.gop_size = 1000
    context.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    encoded = []
    for index in range(count):
        frame = picture(index)
        frame.pts, frame.time_base = index, Fraction(1, 15)
        if index % KEY_EVERY == 0:
            frame.pict_type = PictureType.I
        (packet,) = context.encode(frame)
        encoded.append(Encoded(bytes(packet), packet.is_keyframe))
    return tuple(encoded)


def script(
    *,
    fps: float = 15.0,
    stamped: float = 15.0,
    count: int = FRAMES,
    change: int = FRAMES // 2,
    step: int = 0,
    pause_s: float = 0.0,
    base_rtp: int = 0xFFFFFFFF - 90_000,
) -> list[Scripted]:
    """Frames with steady numbers; from `change` on, timestamps `step` ticks off."""
    frames = []
    for index, packets in enumerate(packetise("vp8", clip(count), size=900, sequence=65_500)):
        changed = index >= change
        rtp = int(base_rtp + 90_000 * index / stamped + (step if changed else 0)) & 0xFFFFFFFF
        stamped_packets = [replace(each, rtp=rtp) for each in packets]
        frames.append(Scripted(index / fps + (pause_s if changed else 0.0), stamped_packets))
    return frames


def _stamped_by(stamp: Callable[[int], int]) -> list[Scripted]:
    return [
        Scripted(frame.at_s, [replace(each, rtp=stamp(index)) for each in frame.packets])
        for index, frame in enumerate(script())
    ]


def _renumbered(turn: int, change: Callable[[int], tuple[int, int]]) -> list[Scripted]:
    """Each run of `turn` frames with the source and the offset of its numbers that it is given."""
    frames = []
    for index, frame in enumerate(script()):
        ssrc, offset = change(index // turn)
        packets = [
            replace(each, sequence=(each.sequence + offset) & 0xFFFF) for each in frame.packets
        ]
        frames.append(Scripted(frame.at_s, packets, ssrc))
    return frames


CLOCKS: dict[str, Script] = {
    "right": script,
    "stamped 25, delivered 21": lambda: script(fps=21, stamped=25, count=90, change=0),
    "stamped 15, delivered 10": lambda: script(fps=10, stamped=15, change=0),
    "stamped 10, delivered 15": lambda: script(stamped=10, change=0),
    "0.3 s back": lambda: script(step=-27_000),
    "2 s back": lambda: script(step=-180_000),
    "2 s forward": lambda: script(step=180_000),
    "half the circle": lambda: script(step=1 << 31),
    "standing still in a pause": lambda: script(pause_s=3.0),
    "going on in a pause": lambda: script(pause_s=3.0, step=270_000),
    "random": lambda: _stamped_by(lambda index: index * 0x9E3779B1 & 0xFFFFFFFF),
    "all zero": lambda: _stamped_by(lambda index: 0),
    "in pairs": lambda: _stamped_by(lambda index: index // 2 * 12_000),
}
SOURCES: dict[str, Script] = {
    "another source, its numbers below": lambda: _renumbered(30, lambda run: (1 + run, -300 * run)),
    "another source, its numbers far away": lambda: _renumbered(
        30, lambda run: (1 + run, 20_000 * run)
    ),
    "two sources in turn": lambda: _renumbered(10, lambda run: (1 + run % 2, run % 2 * 7000)),
    "the same source, its numbers far away": lambda: _renumbered(30, lambda run: (1, 20_000 * run)),
    "the same source, its numbers below": lambda: _renumbered(30, lambda run: (1, -60 * run)),
}


@pytest.mark.parametrize("name", [*CLOCKS, *SOURCES])
async def test_every_frame_ends_once_with_its_own_boxes_and_a_believable_time(name: str) -> None:
    frames = {**CLOCKS, **SOURCES}[name]()
    async with serving(fps=60.0) as server, sending(base(server)) as sender:
        await sender.send(frames)
        await sender.wait_for(len(frames))
    sent = [frame.rtp for frame in frames]
    assert sorted(sender.ended.elements()) == sorted(sent)
    answered = [each for each in sender.results if each["type"] == "detections"]
    # Frames that waited for their source to take over come all at once: the newest is answered.
    assert len(answered) >= 0.6 * len(frames), sender.results
    if len(set(sent)) == len(sent):
        for each in answered:
            assert cell_of(each) == sent.index(each["rtp"]) % (CELLS * CELLS)
    errors_ms = [
        min(abs(each["t"]["captured"] - sent_ms) for sent_ms in sender.sent_ms[each["rtp"]])
        for each in answered
    ]
    settled = errors_ms[: FRAMES // 2][SETTLED:] + errors_ms[FRAMES // 2 + SETTLED :]
    believable = [ms for ms in settled if ms < BELIEVABLE_MS]
    assert len(believable) >= 0.8 * len(settled), errors_ms
