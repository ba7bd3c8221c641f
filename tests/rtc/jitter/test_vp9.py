"""VP9: every frame has one outcome, and a loss costs no more than what refers to it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rtc.jitter.depacketizer import depacketize
from edge.rtc.jitter.payloads.vp9_header import read_header
from tests.rtc import vp9_packets
from tests.rtc.jitter.test_h264_senders import Played, play
from tests.rtc.streams import Packet
from tests.rtc.vp9_packets import Descriptor, packets, rtp_of, vp9

COUNT = 60
DESCRIPTORS = {
    "as libwebrtc": vp9_packets.CHROMIUM,
    "flexible": vp9_packets.FLEXIBLE,
    "short ids": vp9_packets.SHORT_IDS,
    "nothing": vp9_packets.BARE,
    "ids alone": vp9_packets.ID_ALONE,
}
REFERENCES = {name: DESCRIPTORS[name] for name in ("as libwebrtc", "flexible", "short ids")}


def _play(
    sent: Sequence[Sequence[Packet]], drop: Callable[[Packet], bool] = lambda packet: False
) -> Played:
    return play(sent, drop=drop, codec_name="vp9")


def _each_once(played: Played, sent: Sequence[Sequence[Packet]], gone: set[int]) -> None:
    """Every frame of which a packet came has one outcome, and its own picture if it has one."""
    ended = sorted(played.ended)
    assert ended == sorted(set(ended))
    came = {p.rtp for frame in sent for p in frame if p.sequence not in gone}
    assert set(ended) == came
    assert played.right == {number for number in range(COUNT) if rtp_of(number) in played.shown}


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("descriptor", DESCRIPTORS.values(), ids=DESCRIPTORS)
def test_every_picture_is_answered_as_itself(descriptor: Descriptor, layers: int) -> None:
    sent = packets(vp9(COUNT, (0, 20), layers=layers), descriptor, layers=layers)
    played = _play(sent)
    _each_once(played, sent, set())
    assert not played.lost
    assert not played.keyframe_requests
    assert not any(played.waited)
    assert max(map(len, sent)) > 3


LOSSES: dict[str, Callable[[list[Packet]], list[Packet]]] = {
    "first": lambda frame: frame[:1],
    "middle": lambda frame: frame[len(frame) // 2 :][:1],
    "last": lambda frame: frame[-1:],
    "all": lambda frame: frame,
}


@pytest.mark.parametrize("which", LOSSES)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("descriptor", DESCRIPTORS.values(), ids=DESCRIPTORS)
def test_a_lost_reference_costs_the_frames_until_a_key_frame(
    descriptor: Descriptor, layers: int, which: str
) -> None:
    lost = 24  # of the lowest layer
    sent = packets(vp9(COUNT, (0, 40), layers=layers), descriptor, layers=layers)
    gone = {packet.sequence for packet in LOSSES[which](sent[lost])}
    played = _play(sent, lambda packet: packet.sequence in gone)
    _each_once(played, sent, gone)
    assert played.right == {*range(lost), *range(40, COUNT)}
    assert played.keyframe_requests


@pytest.mark.parametrize("which", LOSSES)
@pytest.mark.parametrize(("layers", "lost"), [(2, 25), (3, 25), (3, 27)])
@pytest.mark.parametrize("descriptor", REFERENCES.values(), ids=REFERENCES)
def test_a_lost_frame_of_the_highest_layer_breaks_nothing(
    descriptor: Descriptor, layers: int, lost: int, which: str
) -> None:
    sent = packets(vp9(COUNT, (0,), layers=layers), descriptor, layers=layers, size=120)
    gone = {packet.sequence for packet in LOSSES[which](sent[lost])}
    played = _play(sent, lambda packet: packet.sequence in gone)
    _each_once(played, sent, gone)
    assert set(range(COUNT)) - played.right <= {lost, lost + 2}
    assert lost + 1 in played.right
    assert lost + 2 in played.right or layers == 3
    assert not played.keyframe_requests


@pytest.mark.parametrize("which", LOSSES)
@pytest.mark.parametrize("descriptor", REFERENCES.values(), ids=REFERENCES)
def test_a_lost_frame_of_a_middle_layer_costs_what_refers_to_it(
    descriptor: Descriptor, which: str
) -> None:
    sent = packets(vp9(COUNT, (0,), layers=3), descriptor, layers=3, size=120)
    gone = {packet.sequence for packet in LOSSES[which](sent[26])}
    played = _play(sent, lambda packet: packet.sequence in gone)
    _each_once(played, sent, gone)
    assert set(range(COUNT)) - played.right == {26, 27}
    assert not played.keyframe_requests


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("descriptor", DESCRIPTORS.values(), ids=DESCRIPTORS)
def test_no_picture_is_shown_that_misses_a_reference(
    descriptor: Descriptor, layers: int, seed: int
) -> None:
    pictures = vp9(COUNT, (0, 15, 30, 45), layers=layers)
    sent = packets(pictures, descriptor, layers=layers)
    order = random.Random(seed)
    missed = {p.sequence for frame in sent for p in frame if order.random() < 0.06}
    late = {sequence for sequence in missed if order.random() < 0.5}
    gone = missed - late
    arriving = [[p for p in frame if p.sequence not in missed] for frame in sent]
    for at, frame in enumerate(sent):
        again = [packet for packet in frame if packet.sequence in late]
        arriving[min(COUNT - 1, at + order.choice((0, 1, 1, 2, 5)))] += again
    played = _play([frame for frame in arriving if frame])
    _each_once(played, sent, gone)
    for at, picture in enumerate(pictures):
        if picture.number in played.right and not picture.keyframe:
            nearest = [at - each for each in picture.differences]
            assert all(pictures[each].number in played.right for each in nearest)


def test_a_lost_frame_that_nothing_refers_to_breaks_nothing_whatever_is_described() -> None:
    sent = packets(vp9(COUNT, (0,), layers=2), vp9_packets.BARE)
    lost = sent[25][-1].sequence
    played = _play(packets(vp9(COUNT, (0,), layers=2), vp9_packets.BARE, size=120))
    assert len(played.right) == COUNT
    sent = packets(vp9(COUNT, (0,), layers=2), vp9_packets.BARE, size=120)
    lost = sent[25][1].sequence
    played = _play(sent, lambda packet: packet.sequence == lost)
    _each_once(played, sent, {lost})
    assert played.right == set(range(COUNT)) - {25}


def test_higher_layers_that_never_recover_need_a_key_frame() -> None:
    """A sender whose higher layer refers to itself alone."""
    pictures = [
        vp9_packets.Picture(p.number, p.frames, p.keyframe, p.number % 2, (2,))
        for p in vp9(COUNT, (0,), layers=1)
    ]
    sent = packets(pictures, vp9_packets.FLEXIBLE)
    gone = {packet.sequence for packet in sent[25]}
    played = _play(sent, lambda packet: packet.sequence in gone)
    assert played.keyframe_requests


def test_key_frames_tell_the_largest_size_of_their_layers() -> None:
    picture = vp9(1)[0]
    two = vp9_packets.Picture(0, (picture.frames[0], b"\x86\x00\x40\x92"), True)
    [sent] = packets([two])
    media = [packet.media for packet in sent]
    assert media[0] is not None
    assert (media[0].width, media[0].height, media[0].keyframe) == (256, 192, True)
    assert all(part is not None and not part.keyframe for part in media[1:])


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x8c",
        b"\x8c\x80",
        b"\x8c\x00",  # no data
        b"\xac\x00\x00",
        b"\xbc\x00\x00",
        b"\xdc\x00\x03\x03\x03\x02\x86",  # four differences
        b"\x8e\x00\xf0\x01",  # a structure cut short
        b"\x8e\x00\x08\x02\x0c\x01\x02",
        b"\x08\x00\x00",  # no frame
        b"\x08\x82\x49\x83\x43",  # a key frame without its start code
    ],
)
def test_nonsense_is_refused(payload: bytes) -> None:
    assert depacketize("vp9", payload) is None


@given(st.binary(max_size=100))
def test_no_bytes_make_it_raise(payload: bytes) -> None:
    depacketize("vp9", payload)
    read_header(payload)
