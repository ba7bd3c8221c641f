"""Senders of VP8 with markers and timestamps of their own: every frame is served, whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.rtc.jitter.test_jitter_buffer import Run
from tests.rtc.streams import Encoded, Packet, encode, packetise

COUNT = 40

Frame = list[Packet]


def _changed(frame: Frame, marker: Callable[[int], bool], later: int | None = None) -> Frame:
    """The frame with other markers, from packet `later` on with a timestamp of its own."""
    return [
        Packet(
            packet.sequence,
            packet.rtp + (900 if later is not None and index >= later else 0),
            marker(index),
            packet.payload,
        )
        for index, packet in enumerate(frame)
    ]


def never(frame: Frame) -> Frame:
    return _changed(frame, lambda index: False)


def every_packet(frame: Frame) -> Frame:
    return _changed(frame, lambda index: True)


def first_packet(frame: Frame) -> Frame:
    return _changed(frame, lambda index: index == 0)


def two_timestamps(frame: Frame) -> Frame:
    return _changed(frame, lambda index: index == len(frame) - 1, later=(len(frame) + 1) // 2)


def two_marked_timestamps(frame: Frame) -> Frame:
    half = (len(frame) + 1) // 2
    return _changed(frame, lambda index: index in (half - 1, len(frame) - 1), later=half)


@pytest.mark.parametrize(
    "sender", [never, every_packet, first_packet, two_timestamps, two_marked_timestamps]
)
@pytest.mark.parametrize("size", [60, 200])
def test_every_frame_is_served(sender: Callable[[Frame], Frame], size: int) -> None:
    frames: list[Encoded] = encode("vp8", COUNT, keys=(0, 20))
    stream = packetise("vp8", frames, size=size)
    run = Run(answer=lambda packet, attempt: False)
    run.play([sender(frame) for frame in stream], lambda packet: False)
    run.until(run.now_ms + 5000.0)
    assert [frame.rtp for frame in run.served] == [packets[0].rtp for packets in stream]
    assert not run.lost
    assert not run.keyframes_asked_ms
    # The first may have been served by a part of it, before the marker was disproved.
    assert [frame.data for frame in run.served[1:]] == [frame.data for frame in frames[1:]]


def test_a_key_frame_is_decoded_twice_at_the_most() -> None:
    """A sender could otherwise have much work done by each small packet."""
    (key,) = packetise("vp8", encode("vp8", 1), size=200)
    run = Run()
    decoded = 0
    for index in range(200):
        packet = key[index] if index < len(key) else key[-1]
        rtp = packet.rtp + 900 * max(0, index - len(key) + 1)
        sequence = key[0].sequence + index
        output = run.buffer.add(sequence, rtp, True, packet.media, run.now_ms)
        decoded += len(output.decodable)
    assert decoded <= 2


@pytest.mark.parametrize("sender", [every_packet, first_packet, two_marked_timestamps])
def test_a_key_frame_served_too_early_is_decoded_once_more_as_a_whole(
    sender: Callable[[Frame], Frame],
) -> None:
    frames = encode("vp8", 3)
    run = Run()
    repeated = []
    for packets in packetise("vp8", frames, size=60):
        for packet in sender(packets):
            output = run.buffer.add(
                packet.sequence, packet.rtp, packet.marker, packet.media, run.now_ms
            )
            repeated += [frame for frame in output.decodable if frame.repeated]
    assert [frame.data for frame in repeated] == [frames[0].data]
    assert repeated[0].keyframe
