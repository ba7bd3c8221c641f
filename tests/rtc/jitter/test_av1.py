"""AV1: every frame has one outcome, however its OBUs are packed, and whichever packets are lost."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rtc.jitter.depacketizer import depacketize
from edge.rtc.jitter.payloads import av1 as payloads
from edge.rtc.jitter.payloads.av1_header import read_sequence
from tests.rtc.av1_packets import SEQUENCE, Style, av1, obus, packets
from tests.rtc.jitter.test_h264_senders import Played, play
from tests.rtc.streams import Packet
from tests.rtc.vp9_packets import rtp_of

COUNT = 60
STYLES = {
    "as libwebrtc": Style(),
    "lengths everywhere": Style(counted=False),
    "one OBU a packet": Style(aggregated=False),
    "sizes within": Style(sized=True),
    "delimiters and padding": Style(delimited=True),
    "all at once": Style(counted=False, sized=True, delimited=True),
}


def _play(
    sent: Sequence[Sequence[Packet]], drop: Callable[[Packet], bool] = lambda packet: False
) -> Played:
    return play(sent, drop=drop, codec_name="av1")


def _each_once(played: Played, sent: Sequence[Sequence[Packet]], gone: set[int]) -> None:
    ended = sorted(played.ended)
    assert ended == sorted(set(ended))
    assert set(ended) == {p.rtp for frame in sent for p in frame if p.sequence not in gone}
    assert played.right == {number for number in range(COUNT) if rtp_of(number) in played.shown}


@pytest.mark.parametrize("size", [60, 300, 1200])
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_every_picture_is_answered_as_itself(style: Style, size: int) -> None:
    sent = packets(av1(COUNT, (0, 20)), style, size=size)
    played = _play(sent)
    _each_once(played, sent, set())
    assert not played.lost
    assert not played.keyframe_requests
    assert not any(played.waited)


LOSSES: dict[str, Callable[[list[Packet]], list[Packet]]] = {
    "first": lambda frame: frame[:1],
    "middle": lambda frame: frame[len(frame) // 2 :][:1],
    "last": lambda frame: frame[-1:],
    "all": lambda frame: frame,
}


@pytest.mark.parametrize("which", LOSSES)
@pytest.mark.parametrize("lost", [0, 24])
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_a_loss_costs_the_frames_until_a_key_frame(style: Style, lost: int, which: str) -> None:
    sent = packets(av1(COUNT, (0, 40)), style, size=60)
    gone = {packet.sequence for packet in LOSSES[which](sent[lost])}
    played = _play(sent, lambda packet: packet.sequence in gone)
    _each_once(played, sent, gone)
    assert played.right == {*range(lost), *range(40, COUNT)}
    assert played.keyframe_requests


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_no_picture_is_shown_that_misses_a_reference(style: Style, seed: int) -> None:
    stream = av1(COUNT, (0, 15, 30, 45))
    sent = packets(stream, style, size=120)
    order = random.Random(seed)
    missed = {p.sequence for frame in sent for p in frame if order.random() < 0.03}
    late = {sequence for sequence in missed if order.random() < 0.5}
    gone = missed - late
    arriving = [[p for p in frame if p.sequence not in missed] for frame in sent]
    for at, frame in enumerate(sent):
        again = [packet for packet in frame if packet.sequence in late]
        arriving[min(COUNT - 1, at + order.choice((0, 1, 1, 2, 5)))] += again
    played = _play([frame for frame in arriving if frame])
    _each_once(played, sent, gone)
    for picture in stream:
        if picture.number in played.right and not picture.keyframe:
            assert picture.number - 1 in played.right


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_packets_join_to_the_temporal_unit_that_was_cut(style: Style) -> None:
    stream = av1(6, (0, 3))
    for picture, sent in zip(stream, packets(stream, style, size=60), strict=True):
        media = [packet.media for packet in sent]
        assert all(part is not None for part in media)
        whole = obus(payloads.joined([part for part in media if part is not None]))
        assert whole[0] == b"\x10"  # a temporal delimiter, one alone
        assert tuple(whole[1:]) == picture.units
        assert any(part.keyframe for part in media if part) == picture.keyframe
        assert any(part.delta for part in media if part) != picture.keyframe


def test_what_a_picture_of_many_units_costs_is_bounded() -> None:
    media = [depacketize("av1", b"\x00" + b"\x02\x30\x30" * 32) for _ in range(1000)]
    joined = payloads.joined([part for part in media if part is not None])
    assert len(obus(joined)) <= 600


def test_key_frames_tell_their_size() -> None:
    [sent] = packets(av1(1, size=(322, 178)))
    media = [packet.media for packet in sent]
    assert media[0] is not None
    assert (media[0].width, media[0].height, media[0].first) == (322, 178, True)
    assert media[1] is not None
    assert (media[1].starts, media[1].resumes) == (False, True)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x10",
        b"\x00\x05\x32",  # an element cut short
        b"\x20\x01\x32",  # two were promised
        b"\x30\x01\x32\x01\x32",
        b"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff",  # a length without an end
        b"\x00\x00\x00",  # elements of no length
        b"\x00" + b"\x02\x30\x30" * 33,  # too many
        b"\x10" + bytes([SEQUENCE << 3]),  # a sequence header of nothing
    ],
)
def test_nonsense_is_refused(payload: bytes) -> None:
    assert depacketize("av1", payload) is None


@given(st.lists(st.binary(max_size=60), max_size=4), st.binary(max_size=30))
def test_no_bytes_make_it_raise(some: list[bytes], body: bytes) -> None:
    media = [part for each in some if (part := depacketize("av1", each)) is not None]
    payloads.joined(media)
    read_sequence(body)
