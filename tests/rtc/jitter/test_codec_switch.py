"""One stream in several codecs: each frame has its own, and is counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from edge.rtc.jitter import access_units, depacketizer
from edge.rtc.jitter.assemblies import MAX_BYTES, MAX_FRAMES, MAX_PACKETS
from edge.rtc.jitter.depacketizer import CODECS, depacketize
from edge.rtc.jitter.frames import EncodedFrame, JitterBufferOutput
from edge.rtc.jitter.jitter_buffer import JitterBuffer
from edge.rtc.jitter.nal_units import PPS, SPS, START_CODE

SETS = [bytes([0x60 | SPS]) + b"\x42\x00\x1f\xe9\x01\x40", bytes([0x60 | PPS]) + b"\xce\x38\x80"]
_IDR = b"\x65\x88\x80" + bytes(20)
KEYS = {
    "vp8": b"\x10\x20\xff\xff\x9d\x01\x2a\x40\x00\x24\x00" + b"\xff" * 40,
    "vp9": b"\x8c\x01" + bytes.fromhex("8249834200000f000f00"),
    "av1": b"\x18\x30\x10" + bytes(20),
    "h264": b"\x78" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in (*SETS, _IDR)),
}
DELTAS = {
    "vp8": b"\x10\x01delta",
    "vp9": b"\xcc\x02" + bytes.fromhex("8601004092"),
    "av1": b"\x10\x30\x30" + bytes(20),
    "h264": b"\x41\x9a\x80" + bytes(20),
}
PAIRS = [(old, new) for old in CODECS for new in CODECS if old != new]


class Stream:
    """A buffer, the frames that it served, and how often each timestamp ended."""

    def __init__(self) -> None:
        self.buffer = JitterBuffer(60.0, 20.0)
        self.served: list[EncodedFrame] = []
        self.ended: Counter[int] = Counter()
        self.lost: list[int] = []
        self.asked = 0
        self.at_ms = 0.0

    def put(
        self, codec: str, sequence: int, rtp: int, payload: bytes, *, marker: bool = True
    ) -> None:
        self.at_ms += 3.0
        media = depacketize(codec, payload)
        damaged = media is None
        self.take(self.buffer.add(sequence, rtp, marker, media, self.at_ms, damaged=damaged))

    def take(self, output: JitterBufferOutput) -> None:
        self.served += output.decodable
        self.lost += output.lost
        self.asked += output.keyframe
        self.ended.update([*output.lost, *(frame.rtp for frame in output.frames)])

    def end(self) -> None:
        self.take(self.buffer.restart(self.at_ms))

    def codecs(self) -> Sequence[tuple[str, int]]:
        return [(frame.codec, frame.rtp) for frame in self.served]


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_timestamp_in_two_codecs_is_one_frame_and_the_next_key_frame_is_served(
    old: str, new: str
) -> None:
    stream = Stream()
    stream.put(old, 10, 9000, KEYS[old], marker=False)
    stream.put(new, 11, 9000, KEYS[new])
    stream.put(new, 12, 12000, KEYS[new])
    stream.put(new, 13, 15000, DELTAS[new])
    stream.end()
    assert stream.codecs()[-2:] == [(new, 12000), (new, 15000)]
    assert stream.ended == Counter([9000, 12000, 15000])
    assert stream.buffer.size == (0, 0)


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_capture_encoded_again_in_another_codec_has_one_outcome(old: str, new: str) -> None:
    stream = Stream()
    stream.put(old, 10, 9000, KEYS[old])
    stream.put(new, 11, 9000, KEYS[new])
    stream.put(new, 12, 12000, DELTAS[new])
    stream.end()
    assert stream.codecs() == [(old, 9000), (new, 9000), (new, 12000)]
    assert stream.ended == Counter([9000, 12000])
    assert len(stream.served[1].data) < 2 * len(KEYS[new])


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_back_and_forth_every_frame_is_served_in_its_codec(old: str, new: str) -> None:
    stream, sequence = Stream(), 65_530
    sent: list[tuple[str, int]] = []
    for turn in range(6):
        codec = (old, new)[turn % 2]
        for index in range(4):
            rtp = 3000 * len(sent)
            stream.put(codec, sequence & 0xFFFF, rtp, (DELTAS if index else KEYS)[codec])
            sent.append((codec, rtp))
            sequence += 1
    assert stream.asked == 0
    stream.end()
    assert stream.codecs() == sent
    assert stream.ended == Counter(rtp for _, rtp in sent)


def test_a_frame_of_the_old_codec_that_comes_late_is_served_before_the_new_ones() -> None:
    stream = Stream()
    stream.put("vp8", 10, 0, KEYS["vp8"])
    stream.put("vp9", 12, 6000, KEYS["vp9"], marker=False)
    stream.put("vp8", 11, 3000, DELTAS["vp8"])
    assert stream.codecs() == [("vp8", 0), ("vp8", 3000)]
    assert stream.asked == 0


@pytest.mark.parametrize(("old", "new"), PAIRS)
@pytest.mark.parametrize("retransmitted", [True, False])
def test_a_straggler_of_the_old_codec_changes_nothing(
    old: str, new: str, *, retransmitted: bool
) -> None:
    stream = Stream()
    stream.put(old, 10, 0, KEYS[old])
    stream.put(new, 11, 3000, KEYS[new])
    for number in range(12, 22):
        stream.put(new, number, 3000 * (number - 10), DELTAS[new])
        media = depacketize(old, KEYS[old])
        again = stream.buffer.add(10, 0, True, media, stream.at_ms, retransmitted=retransmitted)
        stream.take(again)
    assert len(stream.served) == 12
    assert stream.ended == Counter(3000 * index for index in range(12))
    assert stream.asked == 0


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_single_frame_of_another_codec_stops_nothing(old: str, new: str) -> None:
    """It cannot be decoded, and nothing that is served refers to it."""
    stream = Stream()
    stream.put(old, 10, 0, KEYS[old])
    stream.put(new, 11, 3000, DELTAS[new])
    stream.put(old, 12, 6000, DELTAS[old])
    stream.end()
    assert stream.codecs() == [(old, 0), (old, 6000)]
    assert stream.lost == [3000]


def test_a_sender_that_goes_on_in_another_codec_without_a_key_frame_is_asked_for_one() -> None:
    stream = Stream()
    stream.put("vp8", 10, 0, KEYS["vp8"])
    for number in range(11, 15):
        stream.put("av1", number, 3000 * (number - 10), DELTAS["av1"])
    assert stream.asked == 1
    stream.put("av1", 15, 15000, KEYS["av1"])
    assert stream.codecs() == [("vp8", 0), ("av1", 15000)]


@pytest.mark.parametrize("new", ["vp8", "vp9", "av1"])
def test_parameter_sets_are_for_h264_alone(new: str) -> None:
    stream = Stream()
    stream.put("h264", 12, 0, KEYS["h264"])
    for number, unit in enumerate(SETS, start=13):  # they lead to a picture that never comes
        stream.put("h264", number, 1500, unit, marker=False)
    stream.put(new, 15, 3000, KEYS[new])
    stream.put("h264", 16, 6000, _IDR)
    assert stream.codecs() == [("h264", 0), (new, 3000), ("h264", 6000)]
    assert START_CODE + SETS[0] not in stream.served[1].data
    assert START_CODE + SETS[0] in stream.served[2].data


def test_a_frame_that_cannot_be_assembled_is_lost_and_the_next_key_frame_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(_: object) -> bytes:
        raise ValueError("a mistake")

    stream = Stream()
    with monkeypatch.context() as patch:
        patch.setitem(access_units._JOINS, "av1", fails)
        for number in range(500):
            stream.put("av1", number, 3000 * number, KEYS["av1"])
            assert len(stream.buffer._frames) <= MAX_FRAMES
        assert stream.ended == Counter(3000 * number for number in range(500))
        assert not stream.served
    stream.put("av1", 500, 3000 * 500, KEYS["av1"])
    assert stream.codecs() == [("av1", 3000 * 500)]


def test_a_payload_whose_reading_fails_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: bytes) -> None:
        raise IndexError("a mistake")

    monkeypatch.setitem(depacketizer.CODECS, "vp8", fails)
    assert depacketize("vp8", KEYS["vp8"]) is None


def test_the_bounds_hold_whatever_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = JitterBuffer()

    def fails(*_: object) -> None:
        raise ValueError("a mistake")

    monkeypatch.setattr(buffer, "_advance", fails)
    media = depacketize("av1", b"\x10\x30\x10" + bytes(8000))
    for number in range(1500):
        with pytest.raises(ValueError, match="a mistake"):
            buffer.add(number, 3000 * number, True, media, 3.0 * number)
        packets, size = buffer.size
        assert packets <= MAX_PACKETS
        assert size <= MAX_BYTES
        assert len(buffer._frames) <= MAX_FRAMES


def test_what_is_known_of_the_last_source_is_not_the_next_ones() -> None:
    """Its numbers go on: a continuation is no part of the last source's frame."""
    stream = Stream()
    stream.put("vp8", 10, 9000, KEYS["vp8"], marker=False)
    stream.end()
    stream.put("vp8", 11, 50_000, b"\x00\x01\x02\x03")
    stream.put("vp8", 12, 53_000, KEYS["vp8"])
    assert stream.lost == [9000, 50_000]
    assert stream.codecs() == [("vp8", 53_000)]
