"""One picture is one frame, whatever timestamps its packets have and whichever of them are lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from tests.rtc import h264_senders
from tests.rtc.h264_senders import Sender, packets
from tests.rtc.jitter.test_h264_senders import play
from tests.rtc.numbered import x264
from tests.rtc.streams import Packet

COUNT = 40
KEYS = (0, 20)
ALIASED = [
    h264_senders.two_timestamps,
    h264_senders.two_marked_timestamps,
    h264_senders.slice_timestamps,
    h264_senders.parameters_before,
    h264_senders.marked_parameters_before,
    h264_senders.parameters_apart,
    h264_senders.marked_parameters_apart,
]
LOSSES = {
    "first": lambda victim: victim[:1],
    "second": lambda victim: victim[1:2],
    "middle": lambda victim: victim[len(victim) // 2 :][:1],
    "last": lambda victim: victim[-1:],
    "first half": lambda victim: victim[: len(victim) // 2],
    "second half": lambda victim: victim[len(victim) // 2 :],
    "inner": lambda victim: victim[1:-1],
    "all but the first": lambda victim: victim[1:],
    "all but the last": lambda victim: victim[:-1],
    "every other": lambda victim: victim[::2],
    "all": lambda victim: victim,
}


def _check(sent: Sequence[Sequence[Packet]], gone: Sequence[Packet], ended: Sequence[int]) -> None:
    """Each picture of which a slice came has one count, under the first timestamp that came."""
    pictures = Counter[int]()
    owners = {p.rtp: index for index, frame in enumerate(sent) for p in _slices(frame)}
    own = {p.rtp: index for index, frame in enumerate(sent) for p in frame}
    for rtp in ended:
        pictures[owners.get(rtp, own[rtp])] += 1
    assert max(pictures.values()) == 1
    lost = {id(packet) for packet in gone}
    for index, frame in enumerate(sent):
        if any(id(packet) not in lost for packet in _slices(frame)):
            assert pictures[index] == 1, index


def _slices(frame: Sequence[Packet]) -> list[Packet]:
    return [p for p in frame if p.media is not None and p.media.picture]


@pytest.mark.parametrize("which", LOSSES)
@pytest.mark.parametrize("at", [20, 25])
@pytest.mark.parametrize("options", ["", "slices=4", "slice-max-size=300"])
@pytest.mark.parametrize("sender", ALIASED, ids=lambda sender: sender.__name__)
def test_a_picture_with_losses_has_one_count(
    sender: Sender, options: str, at: int, which: str
) -> None:
    sent = packets(x264(COUNT, options, keys=KEYS), sender)
    gone = LOSSES[which](sent[at])
    played = play(sent, drop=lambda packet: any(packet is each for each in gone))
    _check(sent, gone, played.ended)


@pytest.mark.parametrize("frames_later", [1, 4, 10])
@pytest.mark.parametrize("which", LOSSES)
@pytest.mark.parametrize("at", [20, 25])
@pytest.mark.parametrize("options", ["slices=4", "slice-max-size=300"])
@pytest.mark.parametrize("sender", ALIASED, ids=lambda sender: sender.__name__)
def test_packets_that_come_later_count_no_second_time(
    sender: Sender, options: str, at: int, which: str, frames_later: int
) -> None:
    sent = packets(x264(COUNT, options, keys=KEYS), sender)
    late = LOSSES[which](sent[at])
    order = [[p for p in frame if not any(p is each for each in late)] for frame in sent]
    order[at + frames_later] = [*late, *order[at + frames_later]]
    played = play([frame for frame in order if frame])
    _check(sent, (), played.ended)
