"""The decoding thread on real VP8 and H264, on broken data and under overload."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest

from edge.rtc.decoding import decoder as decoding
from edge.rtc.decoding.decoder import MAX_WAITING, MAX_WAITING_MS, PIXEL_FORMATS, Decoder
from edge.rtc.jitter.frames import EncodedFrame
from edge.rtc.jitter.nal_units import recovery_frames
from edge.rtc.jitter.payloads.av1 import joined as joined_av1
from edge.rtc.jitter.payloads.payload import Payload
from edge.rtc.jitter.payloads.vp9 import joined
from tests.rtc.av1_packets import av1
from tests.rtc.av1_packets import packets as av1_packets
from tests.rtc.numbered import AccessUnit, number_in, x264
from tests.rtc.streams import Encoded, encode, encode_as, picture
from tests.rtc.vp9_packets import vp9


class Sink:
    """A decoder's callbacks, and something to wait for them with."""

    def __init__(self, max_pixels: int = 4096 * 2304, **options: Any) -> None:
        self.pictures: list[tuple[int, av.VideoFrame]] = []
        self.dropped: list[tuple[int, str, bool]] = []
        self.decoder = Decoder(self._picture, self._dropped, max_pixels=max_pixels, **options)
        self._news = asyncio.Event()

    def _picture(self, frame: EncodedFrame, image: av.VideoFrame, decoded_ms: float) -> None:
        assert threading.current_thread() is threading.main_thread()
        assert decoded_ms > 0
        self.pictures.append((frame.rtp, image))
        self._news.set()

    def _dropped(self, rtps: list[int], reason: str, keyframe: bool) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.dropped += [(rtp, reason, keyframe) for rtp in rtps]
        self._news.set()

    async def until(self, satisfied: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not satisfied():
                self._news.clear()
                await self._news.wait()

    async def decode(self, codec: str, frames: list[Encoded], first: int = 0) -> None:
        """One after the other, each ended before the next comes."""
        for index, encoded in enumerate(frames):
            done = len(self.pictures) + len(self.dropped)
            self.decoder.submit(codec, _frame(encoded, first + index))
            await self.until(lambda done=done: len(self.pictures) + len(self.dropped) > done)  # type: ignore[misc]


def _frame(encoded: Encoded, rtp: int, size: tuple[int, int] = (0, 0)) -> EncodedFrame:
    return EncodedFrame(
        rtp=rtp,
        data=encoded.data,
        keyframe=encoded.keyframe,
        first_packet_ms=0.0,
        received_ms=0.0,
        width=size[0],
        height=size[1],
    )


class PausedThread:
    """Stops the decoding thread inside its first frame until `resume`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._loop = asyncio.get_running_loop()
        self._entered, self._resumed = asyncio.Event(), threading.Event()
        decode = decoding._Codec.decode

        def paused(codec: decoding._Codec, frame: EncodedFrame) -> decoding._Decoded:
            self._loop.call_soon_threadsafe(self._entered.set)
            assert self._resumed.wait(60)
            return decode(codec, frame)

        monkeypatch.setattr(decoding._Codec, "decode", paused)

    async def entered(self) -> None:
        """The thread has the first frame, so every other one waits."""
        async with asyncio.timeout(60):
            await self._entered.wait()

    def resume(self) -> None:
        self._resumed.set()


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    sink = Sink()
    yield sink
    sink.decoder.stop()
    await sink.decoder.stopped()


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9"])
async def test_each_frame_gives_its_own_picture_at_once(sink: Sink, codec: str) -> None:
    await sink.decode(codec, encode(codec, 10))
    assert [rtp for rtp, _ in sink.pictures] == list(range(10))
    assert not sink.dropped
    for index, (_, image) in enumerate(sink.pictures):
        assert (image.width, image.height, image.format.name) == (160, 120, "yuv420p")
        original = picture(index, 160, 120).to_ndarray(format="gray").astype(int)
        difference = np.abs(image.to_ndarray(format="gray").astype(int) - original)
        assert difference.mean() < 8.0  # this very picture, not the one before


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9"])
async def test_sizes_change_in_mid_stream(sink: Sink, codec: str) -> None:
    sizes = [(160, 120), (16, 16), (322, 178), (3840, 2160), (34, 18)]
    if codec != "h264":
        sizes.append((161, 121))
    for index, (width, height) in enumerate(sizes):
        await sink.decode(codec, encode(codec, 2, width, height), first=10 * index)
    assert not sink.dropped
    shown = [(image.width, image.height) for _, image in sink.pictures]
    assert shown == [size for size in sizes for _ in range(2)]


async def test_the_codec_may_change(sink: Sink) -> None:
    for codec in ("vp8", "h264", "vp8"):
        await sink.decode(codec, encode(codec, 3))
    assert len(sink.pictures) == 9


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9"])
async def test_broken_data_costs_a_key_frame_and_not_the_session(sink: Sink, codec: str) -> None:
    frames = encode(codec, 8, keys=(0, 5))
    noise = Encoded(bytes(range(256)), keyframe=True)
    await sink.decode(codec, [*frames[:2], noise, *frames[2:]])
    assert [rtp for rtp, _ in sink.pictures] == [0, 1, 6, 7, 8]
    assert [(rtp, reason) for rtp, reason, _ in sink.dropped] == [
        (2, "lost"), (3, "lost"), (4, "lost"), (5, "lost"),
    ]  # fmt: skip
    assert all(keyframe for _, _, keyframe in sink.dropped)


async def test_nothing_is_decoded_before_a_key_frame(sink: Sink) -> None:
    await sink.decode("vp8", encode("vp8", 4)[1:])
    assert not sink.pictures
    assert [reason for _, reason, _ in sink.dropped] == ["lost"] * 3


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9"])
async def test_pictures_over_the_cap_are_dropped_with_their_reason(codec: str) -> None:
    sink = Sink(max_pixels=200 * 200)
    size = (320, 240) if codec != "h264" else (0, 0)  # H264's size is not known before decoding
    large = [_frame(frame, index, size) for index, frame in enumerate(encode(codec, 1, 320, 240))]
    for frame in large:
        sink.decoder.submit(codec, frame)
    await sink.until(lambda: bool(sink.dropped))
    assert sink.dropped == [(0, "too_large", True)]
    await sink.decode(codec, encode(codec, 2), first=5)
    assert [rtp for rtp, _ in sink.pictures] == [5, 6]
    sink.decoder.stop()
    await sink.decoder.stopped()


async def test_vp9_pictures_that_grow_without_a_key_frame_are_refused(sink: Sink) -> None:
    """An encoder may change the size in mid-stream; the decoder keeps to the cap by itself."""
    sink = Sink(max_pixels=200 * 200)
    small, large = vp9(2, size=(160, 96)), vp9(1, size=(320, 192))
    frames = [Encoded(each.frames[0], True) for each in (*small[:1], *large)]
    await sink.decode("vp9", frames)
    assert [rtp for rtp, _ in sink.pictures] == [0]
    assert [rtp for rtp, _, keyframe in sink.dropped if keyframe] == [1]
    sink.decoder.stop()
    await sink.decoder.stopped()


async def test_av1_gives_each_picture_at_once_and_keeps_to_the_cap() -> None:
    sink = Sink(max_pixels=256 * 192)
    frames = [
        Encoded(joined_av1([packet.media for packet in sent if packet.media]), picture.keyframe)
        for stream in (av1(6), av1(1, size=(320, 256)), av1(2))
        for picture, sent in zip(stream, av1_packets(stream), strict=True)
    ]
    await sink.decode("av1", frames)  # the sizes are not told: the decoder knows
    assert [rtp for rtp, _ in sink.pictures] == [*range(6), 7, 8]
    assert [number_in(image) for _, image in sink.pictures] == [*range(6), 0, 1]
    assert [rtp for rtp, _, keyframe in sink.dropped if keyframe] == [6]
    sink.decoder.submit("av1", _frame(frames[6], 9, (320, 256)))
    await sink.until(lambda: len(sink.dropped) == 2)
    assert sink.dropped[-1] == (9, "too_large", True)
    sink.decoder.stop()
    await sink.decoder.stopped()


async def test_of_a_picture_in_layers_the_highest_is_shown(sink: Sink) -> None:
    """Two pictures of a stream as two layers of one: each is shown, but the last one counts."""
    pictures = vp9(6)
    for at in (0, 2, 4):
        parts = [
            Payload(frame, starts=True, first=True, keyframe=False, delta=True)
            for picture in pictures[at : at + 2]
            for frame in picture.frames
        ]
        await sink.decode("vp9", [Encoded(joined(parts), at == 0)], first=at)
    assert [number_in(image) for _, image in sink.pictures] == [1, 3, 5]
    assert not sink.dropped


async def test_of_frames_that_come_together_only_the_last_is_shown(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = PausedThread(monkeypatch)
    for index, frame in enumerate(encode("vp8", 12)):
        sink.decoder.submit("vp8", _frame(frame, index))
    thread.resume()
    await sink.until(lambda: bool(sink.pictures))
    assert [rtp for rtp, _ in sink.pictures] == [11]
    assert sink.dropped == [(index, "superseded", False) for index in range(11)]
    difference = np.abs(
        sink.pictures[-1][1].to_ndarray(format="gray").astype(int)
        - picture(11, 160, 120).to_ndarray(format="gray").astype(int)
    )
    assert difference.mean() < 8.0  # it had all its references


@pytest.mark.parametrize(
    ("count", "late_from", "first_refused"),
    [
        pytest.param(12, 9, 9, id="age"),
        pytest.param(MAX_WAITING + 12, None, MAX_WAITING + 1, id="number"),
    ],
)
async def test_overload_drops_all_waiting_frames_and_requests_a_key_frame(
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    late_from: int | None,
    first_refused: int,
) -> None:
    thread, at_ms = PausedThread(monkeypatch), 1.0
    monkeypatch.setattr(decoding, "now_ms", lambda: at_ms)
    frames = encode("vp8", count)
    accepted = [sink.decoder.submit("vp8", _frame(frames[0], 0))]
    await thread.entered()
    for index, frame in enumerate(frames[1:], start=1):
        late = late_from is not None and index >= late_from
        at_ms = MAX_WAITING_MS + 2.0 if late else 1.0
        accepted.append(sink.decoder.submit("vp8", _frame(frame, index)))
    refused = count - first_refused
    assert accepted == [True] * first_refused + [False] * refused  # not before a key frame
    assert sorted(sink.dropped) == [(index, "overload", True) for index in range(1, count)]
    (key,) = encode("vp8", 1)
    assert sink.decoder.submit("vp8", _frame(key, count))
    thread.resume()
    await sink.until(lambda: bool(sink.pictures))
    assert [rtp for rtp, _ in sink.pictures] == [count]
    assert sink.dropped[-1] == (0, "superseded", False)  # it was being decoded
    assert len(sink.dropped) == count


async def test_a_key_frame_replaces_what_has_waited_too_long(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, at_ms = PausedThread(monkeypatch), 1.0
    monkeypatch.setattr(decoding, "now_ms", lambda: at_ms)
    frames = encode("vp8", 6, keys=(0, 5))
    sink.decoder.submit("vp8", _frame(frames[0], 0))
    await thread.entered()
    for index, frame in enumerate(frames[1:5], start=1):
        sink.decoder.submit("vp8", _frame(frame, index))
    at_ms = 2 * MAX_WAITING_MS
    assert sink.decoder.submit("vp8", _frame(frames[5], 5))
    thread.resume()
    await sink.until(lambda: bool(sink.pictures))
    assert [rtp for rtp, _ in sink.pictures] == [5]
    overloaded = [(index, "overload", False) for index in range(1, 5)]
    assert sink.dropped == [*overloaded, (0, "superseded", False)]


async def test_stopping_is_prompt_final_and_leaves_no_thread() -> None:
    before = threading.active_count()
    sink = Sink()
    for index, frame in enumerate(encode("vp8", 20, 640, 480)):
        sink.decoder.submit("vp8", _frame(frame, index))
    await sink.until(lambda: len(sink.pictures) + len(sink.dropped) > 0)
    unfinished = sink.decoder.stop()
    ended = [rtp for rtp, _ in sink.pictures] + [rtp for rtp, *_ in sink.dropped]
    assert sorted(ended + unfinished) == list(range(20)), "each frame once"
    await sink.decoder.stopped()
    assert threading.active_count() == before
    assert len(sink.pictures) + len(sink.dropped) == len(ended)
    assert not sink.decoder.submit("vp8", _frame(encode("vp8", 1)[0], 99))


async def test_one_that_never_decoded_stops_too() -> None:
    sink = Sink()
    sink.decoder.stop()
    await sink.decoder.stopped()


@pytest.mark.parametrize("pixels", ["yuv444p", "yuv420p10le", "yuv422p"])
async def test_other_pixel_formats_are_converted_on_the_thread(sink: Sink, pixels: str) -> None:
    await sink.decode("h264", encode_as(pixels, 3))
    assert not sink.dropped
    for index, (_, image) in enumerate(sink.pictures):
        assert image.format.name in PIXEL_FORMATS
        original = picture(index, 160, 120).to_ndarray(format="gray").astype(int)
        difference = np.abs(image.to_ndarray(format="gray").astype(int) - original)
        assert difference.mean() < 8.0


async def test_a_failed_conversion_is_a_lost_frame_and_costs_no_key_frame(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = encode_as("yuv444p", 3)
    await sink.decode("h264", frames[:1])
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "_as_yuv420p", _fail)
        await sink.decode("h264", frames[1:2], first=1)
    await sink.decode("h264", frames[2:], first=2)
    assert [rtp for rtp, _ in sink.pictures] == [0, 2]
    assert sink.dropped == [(1, "lost", False)]


def _fail(*_: object) -> None:
    raise RuntimeError("an unforeseen failure")


async def test_an_unforeseen_failure_costs_a_key_frame_and_not_the_thread(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = encode("vp8", 5, keys=(0, 3))
    await sink.decode("vp8", frames[:1])
    with monkeypatch.context() as patch:
        patch.setattr(decoding._Codec, "decode", _fail)
        await sink.decode("vp8", frames[1:2], first=1)
    await sink.decode("vp8", frames[2:], first=2)
    assert [rtp for rtp, _ in sink.pictures] == [0, 3, 4]
    assert sink.dropped == [(1, "lost", True), (2, "lost", True)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_thread_that_died_can_be_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    died = threading.Event()

    def end(*_: object) -> None:
        died.set()
        raise SystemExit

    monkeypatch.setattr(decoding._Codec, "decode", end)
    sink = Sink()
    sink.decoder.submit("vp8", _frame(encode("vp8", 1)[0], 0))
    await asyncio.to_thread(died.wait)
    sink.decoder.stop()
    async with asyncio.timeout(60):
        await sink.decoder.stopped()


class CostlyDecoding:
    """Each frame takes 60 ms of the thread's time while the clock stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._used_s = 0.0
        monkeypatch.setattr("edge.rtc.decoding.decoder.work_time", self._thread_time)
        monkeypatch.setattr(decoding, "now_ms", lambda: 1.0)

    def _thread_time(self) -> float:
        self._used_s += 0.06
        return self._used_s


async def test_a_session_whose_decoding_takes_too_long_is_reported_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    CostlyDecoding(monkeypatch)
    excesses: list[int] = []
    sink = Sink(max_share=0.5)
    monkeypatch.setattr(sink.decoder, "_on_excess", lambda: excesses.append(len(sink.pictures)))
    await sink.decode("vp8", encode("vp8", 12))
    sink.decoder.stop()
    await sink.decoder.stopped()
    assert excesses == [9]  # 9 times 60 ms is over half a second


async def test_frames_without_reference_are_thinned_before_the_session_must_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    CostlyDecoding(monkeypatch)
    sink = Sink(max_share=0.5)
    frames = encode("vp8", 8)
    await sink.decode("vp8", frames[:6])  # over 250 ms, half of the budget, before the last one
    sink.decoder.submit("vp8", replace(_frame(frames[6], 6), droppable=True))
    assert sink.dropped == [(6, "overload", False)]
    sink.decoder.submit("vp8", _frame(frames[7], 7))  # others refer to it
    await sink.until(lambda: len(sink.pictures) == 7)
    assert [rtp for rtp, _ in sink.pictures] == [0, 1, 2, 3, 4, 5, 7]
    sink.decoder.stop()
    await sink.decoder.stopped()


def _encoded(picture: AccessUnit, rtp: int) -> EncodedFrame:
    data = b"".join(b"\x00\x00\x00\x01" + unit for unit in picture.units)
    return EncodedFrame(rtp, data, 5 in picture.kinds, 0.0, 0.0)


async def test_b_frames_end_under_their_own_timestamps(sink: Sink) -> None:
    stream = x264(30, "bframes=2:b-adapt=0", tune="")
    for sent, unit in enumerate(stream):
        sink.decoder.submit("h264", _encoded(unit, unit.number))
        await sink.until(lambda sent=sent: len(sink.pictures) + len(sink.dropped) >= sent - 2)  # type: ignore[misc]
    async with asyncio.timeout(60):
        while len(sink.pictures) + len(sink.dropped) < 30:
            sink.decoder.expire()  # nothing while the last frame is being decoded
            await asyncio.sleep(0)
    assert all(number_in(image) == rtp for rtp, image in sink.pictures)
    lost = [rtp for rtp, reason, _ in sink.dropped if reason == "lost"]
    assert 0 < len(lost) <= 3  # they waited in the decoder, for want of a next frame
    ended = [rtp for rtp, _ in sink.pictures] + [rtp for rtp, _, _ in sink.dropped]
    assert sorted(ended) == list(range(30))


async def test_frames_that_wait_in_a_decoder_end_with_it(sink: Sink) -> None:
    for unit in x264(12, "bframes=2:b-adapt=0", tune=""):
        sink.decoder.submit("h264", _encoded(unit, unit.number))
    await sink.decode("vp8", encode("vp8", 1), first=100)  # the publisher changed the payload type
    await sink.until(lambda: len(sink.pictures) + len(sink.dropped) >= 13)
    ended = [rtp for rtp, _ in sink.pictures] + [rtp for rtp, _, _ in sink.dropped]
    assert sorted(ended) == [*range(12), 100]
    assert not any(keyframe for _, _, keyframe in sink.dropped)


async def test_no_picture_is_shown_before_a_recovery_point_has_recovered(sink: Sink) -> None:
    stream = x264(60, "intra-refresh=1:keyint=15:bframes=0")
    (unit,) = [each for each in stream[30].units if each[0] & 0x1F == 6]
    count = recovery_frames(unit)
    assert count is not None
    frames = [_encoded(picture, picture.number) for picture in stream]
    for frame in [*frames[:20], replace(frames[30], recovery=True), *frames[31:]]:
        done = len(sink.pictures) + len(sink.dropped)
        sink.decoder.submit("h264", frame)
        await sink.until(lambda done=done: len(sink.pictures) + len(sink.dropped) > done)  # type: ignore[misc]
    assert [rtp for rtp, _ in sink.pictures] == [*range(20), *range(30 + count, 60)]
    assert all(number_in(image) == rtp for rtp, image in sink.pictures)
    assert sink.dropped == [(rtp, "lost", False) for rtp in range(30, 30 + count)]


async def test_a_repeated_frame_has_no_outcome(sink: Sink) -> None:
    first, second = x264(2)
    sink.decoder.submit("h264", _encoded(first, 0))
    await sink.until(lambda: len(sink.pictures) == 1)
    sink.decoder.submit("h264", replace(_encoded(first, 0), repeated=True))
    sink.decoder.submit("h264", _encoded(second, 1))
    await sink.until(lambda: len(sink.pictures) + len(sink.dropped) == 2)
    assert [rtp for rtp, _ in sink.pictures] == [0, 1]
