"""Senders that mark, order and repeat as they like: every picture is answered, and is its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from edge.rtc.decoding.decoder import MAX_PIXELS, _Codec
from edge.rtc.jitter.frames import JitterBufferOutput
from edge.rtc.jitter.jitter_buffer import JitterBuffer
from tests.rtc import h264_senders
from tests.rtc.h264_senders import SENDERS, Sender, packets, rtp_of
from tests.rtc.numbered import AccessUnit, number_in, x264
from tests.rtc.streams import FRAME_MS, Packet

COUNT = 60
LEARNING = 14  # frames, by which the layout of a steady encoder is known


@dataclass
class Played:
    """What became of a stream."""

    shown: dict[int, int | None] = field(default_factory=dict)  # pictures' numbers by timestamp
    lost: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    waited: list[bool] = field(default_factory=list)  # of each frame: not served at its last packet
    keyframe_requests: int = 0

    @property
    def right(self) -> set[int]:
        """Numbers of the pictures that were answered as themselves."""
        return {n for rtp, n in self.shown.items() if n is not None and rtp == rtp_of(n)}


def play(
    sent: Sequence[Sequence[Packet]],
    *,
    drop: Callable[[Packet], bool] = lambda packet: False,
    sprop: Sequence[bytes] = (),
    codec_name: str = "h264",
) -> Played:
    """One picture a frame interval, 0.2 ms between packets; nothing is sent again."""
    buffer, codec, played = JitterBuffer(60.0, 20.0), _Codec(codec_name, MAX_PIXELS), Played()
    buffer.units.parameter_sets.add(sprop, in_band=False)
    now_ms = 0.0
    served: set[int] = set()

    def take(output: JitterBufferOutput) -> None:
        played.keyframe_requests += output.keyframe
        played.lost += output.lost
        for frame in output.decodable:
            served.add(frame.rtp)
            decoded = codec.decode(frame)
            for source, image in decoded.pictures:
                if not source.repeated:
                    played.shown[source.rtp] = number_in(image)
                    played.ended.append(source.rtp)
            played.lost += [each.rtp for each in decoded.lost if not each.repeated]
            if decoded.refused:
                played.lost.append(frame.rtp)
                take(buffer.require_keyframe(now_ms))

    def until(end_ms: float) -> None:
        nonlocal now_ms
        while (wake_ms := buffer.wake_ms()) is not None and wake_ms <= end_ms:
            now_ms = max(now_ms, wake_ms)
            take(buffer.poll(now_ms))
        now_ms = end_ms

    for index, frame in enumerate(sent):
        for number, packet in enumerate(frame):
            until(index * FRAME_MS + 0.2 * number)
            if not drop(packet):
                media = packet.media
                take(
                    buffer.add(
                        packet.sequence,
                        packet.rtp,
                        packet.marker,
                        media,
                        now_ms,
                        damaged=media is None,
                    )
                )
        until(now_ms + 1.0)
        played.waited.append(frame[-1].rtp not in served)
    until(now_ms + 5000.0)
    played.lost += [each.rtp for each in codec.forget()]
    played.ended += played.lost
    return played


def _each_ended_once(
    played: Played, stream: Sequence[AccessUnit], unseen: Sequence[int] = ()
) -> None:
    """Every picture in one count; of an `unseen` one perhaps no packet came."""
    ended = sorted(played.ended)
    assert ended == sorted(set(ended))
    expected = {rtp_of(picture.number) for picture in stream}
    assert expected - set(ended) <= {rtp_of(number) for number in unseen}
    assert set(ended) <= expected


STREAMS = {
    "one slice": "",
    "four slices": "slices=4",
    "slices of varying size": "slice-max-size=300",
    "delimiters": "aud=1:slices=2",
    "key frames": "keyint=20:min-keyint=20",
}


@pytest.mark.parametrize("options", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)
def test_every_picture_is_answered_as_itself(sender: Sender, options: str) -> None:
    stream = x264(COUNT, options, keys=(0, 20, 40))
    played = play(packets(stream, sender))
    _each_ended_once(played, stream)
    assert not played.lost
    assert not played.keyframe_requests
    # A first key frame may have been answered by a part of it, before the marker was disproved.
    assert played.right >= set(range(1, COUNT))


@pytest.mark.parametrize("options", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize(
    "sender",
    [
        h264_senders.honest,
        h264_senders.parameters_before,
        h264_senders.parameters_apart,
        h264_senders.last_after_slices,
        h264_senders.no_end_bits,
    ],
)
def test_a_sender_whose_marker_is_right_waits_for_nothing(sender: Sender, options: str) -> None:
    stream = x264(COUNT, options, keys=(0, 20, 40))
    assert not any(play(packets(stream, sender)).waited)


@pytest.mark.parametrize("options", ["", "slices=4"])
@pytest.mark.parametrize(
    "sender",
    [
        h264_senders.every_unit,
        h264_senders.every_slice,
        h264_senders.first_slice,
        h264_senders.never,
        h264_senders.marked_parameters_before,
    ],
)
def test_a_steady_encoder_whose_marker_is_wrong_is_not_late_for_long(
    sender: Sender, options: str
) -> None:
    stream = x264(COUNT, options)
    waited = play(packets(stream, sender)).waited
    # A frame larger than all before it may have more slices, and is waited for.
    assert sum(waited[LEARNING:]) <= 5


@pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)
@pytest.mark.parametrize(
    "options", ["bframes=2", "bframes=3:b-pyramid=normal", "bframes=2:slices=4"]
)
def test_pictures_of_b_frames_are_their_own(options: str, sender: Sender) -> None:
    stream = x264(COUNT, options + ":b-adapt=0", tune="")
    assert [picture.number for picture in stream] != list(range(COUNT))  # it has B-frames
    played = play(packets(stream, sender))
    _each_ended_once(played, stream)
    assert set(played.shown) == {rtp_of(number) for number in played.right} | (
        {rtp_of(0)} & set(played.shown)
    )
    assert len(played.right) >= COUNT - 5  # those still in the decoder at the end


def test_b_frames_whose_timestamps_count_in_the_order_of_sending_have_one_count_each() -> None:
    stream = x264(COUNT, "bframes=2:b-adapt=0", tune="")
    sent = packets(stream, h264_senders.honest)
    renumbered = [
        [Packet(p.sequence, rtp_of(index), p.marker, p.payload, "h264") for p in frame]
        for index, frame in enumerate(sent)
    ]
    played = play(renumbered)
    _each_ended_once(played, stream)
    own = {rtp_of(index): picture.number for index, picture in enumerate(stream)}
    assert all(own[rtp] == number for rtp, number in played.shown.items())
    assert len(played.shown) >= COUNT - 5


@pytest.mark.parametrize("which", ["first", "middle", "last"])
@pytest.mark.parametrize("options", ["", "slices=4", "slice-max-size=300"])
@pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)
def test_a_lost_packet_costs_the_frames_until_a_key_frame(
    sender: Sender, options: str, which: str
) -> None:
    stream = x264(COUNT, options, keys=(0, 20, 40))
    sent = packets(stream, sender)
    victim = sent[25]
    gone = victim[{"first": 0, "middle": len(victim) // 2, "last": -1}[which]]
    played = play(sent, drop=lambda packet: packet is gone)
    if "timestamps" not in sender.__name__:  # those are in test_aliases.py
        _each_ended_once(played, stream, unseen=[25])
    assert played.right >= {*range(1, 24), *range(40, COUNT)}
    shown = {rtp for rtp, number in played.shown.items() if number is None or rtp != rtp_of(number)}
    assert shown <= {rtp_of(0)}  # nothing was answered by another picture or by half of one


@pytest.mark.parametrize(
    "sender",
    [
        h264_senders.honest,
        h264_senders.every_slice,
        h264_senders.parameters_before,
        h264_senders.parameters_apart,
        h264_senders.delimited,
    ],
)
@pytest.mark.parametrize("lost_at", [20, 31])
def test_decoding_resumes_at_a_recovery_point(sender: Sender, lost_at: int) -> None:
    stream = x264(90, "intra-refresh=1:keyint=15:bframes=0:slices=2")
    assert [picture.number for picture in stream if 5 in picture.kinds] == [0]
    sent = packets(stream, sender)
    gone = next(p for p in sent[lost_at] if p.media is not None and p.media.picture)
    played = play(sent, drop=lambda packet: packet is gone)
    _each_ended_once(played, stream, unseen=[lost_at])
    point = -(-lost_at // 15) * 15
    recovered = point + 15  # x264 refreshes all columns within its key frame interval
    if 6 in stream[point].kinds:
        assert played.right >= {*range(1, lost_at - 1), *range(recovered + 1, 90)}
    wrong = {rtp for rtp, number in played.shown.items() if number is None or rtp != rtp_of(number)}
    assert wrong <= {rtp_of(0)}


def test_joining_an_intra_refreshed_stream_needs_no_key_frame() -> None:
    stream = x264(90, "intra-refresh=1:keyint=15:bframes=0")
    played = play(packets(stream, h264_senders.honest)[7:])
    _each_ended_once(played, stream[7:])
    assert played.right >= set(range(31, 90))


def _unannounced(count: int, options: str = "") -> list[AccessUnit]:
    """An intra-refreshed stream that says nothing of it: no key frame but the first, no SEI."""
    stream = x264(count, f"intra-refresh=1:keyint=15:bframes=0:slices=2:{options}")
    return [
        AccessUnit(picture.number, tuple(unit for unit in picture.units if unit[0] & 0x1F != 6))
        for picture in stream
    ]


@pytest.mark.parametrize("sender", [h264_senders.honest, h264_senders.never])
def test_a_stream_without_any_entry_is_decoded_on_once_requests_bring_none(sender: Sender) -> None:
    count, first, second = 200, 30, 140
    stream = _unannounced(count)
    sent = packets(stream, sender)
    gone = {
        id(next(p for p in sent[at] if p.media is not None and p.media.picture))
        for at in (first, second)
    }
    played = play(sent, drop=lambda packet: id(packet) in gone)
    _each_ended_once(played, stream, unseen=[first, second])
    # Some two seconds of requests at 15 frames a second, and one refresh of all columns.
    assert played.right >= {*range(1, first - 1), *range(first + 70, second - 1)}
    # A sender that was seen to have none is not asked so long again.
    assert played.right >= set(range(second + 40, count))


def test_joining_a_stream_without_any_entry() -> None:
    stream = _unannounced(120)
    sets = [unit for unit in stream[0].units if unit[0] & 0x1F in (7, 8)]
    joined = [AccessUnit(stream[7].number, (*sets, *stream[7].units)), *stream[8:]]
    played = play(packets(joined, h264_senders.honest))
    _each_ended_once(played, joined)
    assert played.right >= set(range(80, 120))


def test_a_sender_whose_key_frames_come_seldom_is_waited_for() -> None:
    """Six seconds apart, and none on request."""
    stream = x264(240, "bframes=0", keys=(0, 90, 180))
    sent = packets(stream, h264_senders.honest)
    gone = {id(sent[95][-1])}
    played = play(sent, drop=lambda packet: id(packet) in gone)
    _each_ended_once(played, stream, unseen=[95])
    assert played.right == {*range(95), *range(180, 240)}


def test_a_sign_of_a_key_frame_is_a_reason_to_wait_for_one() -> None:
    """One each second, of which a packet is lost each time."""
    keys = tuple(range(0, 120, 15))
    stream = x264(120, "bframes=0", keys=keys)
    sent = packets(stream, h264_senders.honest)
    gone = {id(sent[10][0]), *(id(sent[at][-1]) for at in keys[1:])}
    played = play(sent, drop=lambda packet: id(packet) in gone)
    _each_ended_once(played, stream, unseen=[10])
    assert played.right == set(range(10))


def test_parameter_sets_of_the_sdp_are_used() -> None:
    stream = x264(COUNT, keys=(0, 20, 40))
    sets = [unit for unit in stream[0].units if unit[0] & 0x1F in (7, 8)]
    sent = packets(stream, h264_senders.without_parameters)
    assert not play(sent).right
    played = play(sent, sprop=sets)
    assert played.right == set(range(COUNT))
    assert not played.keyframe_requests
    gone = sent[25][0]
    played = play(sent, sprop=sets, drop=lambda packet: packet is gone)
    assert played.right >= {*range(25), *range(40, COUNT)}


def test_parameter_sets_sent_once_serve_later_key_frames() -> None:
    stream = x264(COUNT, keys=(0, 20, 40))
    head = packets(stream[:1], h264_senders.honest)
    rest = packets(stream[1:], h264_senders.without_parameters, sequence=head[-1][-1].sequence + 1)
    played = play(head + rest)
    assert played.right == set(range(COUNT))
    # Even where the frame that they came with was lost.
    gone = head[0][-1]
    played = play(head + rest, drop=lambda packet: packet is gone)
    assert played.right >= set(range(20, COUNT))


@pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)
def test_parameter_sets_may_change_in_mid_stream(sender: Sender) -> None:
    stream = (
        *x264(30, "level=3:ref=1:bframes=0"),
        *x264(30, "level=4:ref=4:slices=4:cabac=0", first=30, keys=(30,)),
    )
    assert stream[0].units[0] != stream[30].units[0]
    played = play(packets(stream, sender))
    _each_ended_once(played, stream)
    assert not {*range(1, 30), *range(31, COUNT)} - played.right
