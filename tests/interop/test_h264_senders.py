"""Real connections from senders of H264 that mark, order and repeat as they like.

A camera's pace, x264's streams, a server with a simulated device: every picture that is sent has
one outcome, and the picture that was answered under a timestamp is the one that it was sent with.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

import av
import pytest

from edge.rtc.jitter.frames import EncodedFrame
from edge.rtc.video_receiver import VideoReceiver
from edge.server import Server
from tests.interop.h264_publisher import H264Publisher, publishing_h264
from tests.rtc import h264_senders
from tests.rtc.h264_senders import SENDERS, Sender, packets, rtp_of
from tests.rtc.numbered import AccessUnit, number_in, x264
from tests.rtc.streams import FRAME_MS, Packet
from tests.serving import base, serving

pytestmark = pytest.mark.interop

COUNT = 45  # three seconds
BUSY = {"answered", "superseded", "paced"}  # what a machine that is behind leaves out is no loss


@dataclass
class Seen:
    """The server, and the numbers in the pictures that it took under each timestamp."""

    server: Server
    numbers: dict[int, int | None]

    def wrong(self) -> set[int]:
        return {rtp for rtp, n in self.numbers.items() if n is None or rtp != rtp_of(n)}


@pytest.fixture
async def seen(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Seen]:
    numbers: dict[int, int | None] = {}
    take = VideoReceiver._picture

    def noted(
        self: VideoReceiver, frame: EncodedFrame, image: av.VideoFrame, decoded_ms: float
    ) -> None:
        numbers[frame.rtp] = number_in(image)
        take(self, frame, image, decoded_ms)

    monkeypatch.setattr(VideoReceiver, "_picture", noted)
    async with serving(rate_control="receiver") as server:
        yield Seen(server, numbers)


async def _stream(
    publisher: H264Publisher,
    sent: Iterable[list[Packet]],
    drop: Callable[[Packet], bool] = lambda packet: False,
) -> None:
    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    for index, frame in enumerate(sent):
        await asyncio.sleep(max(0.0, begin_s + index * FRAME_MS / 1000.0 - loop.time()))
        publisher.send(packet for packet in frame if not drop(packet))


def _report(name: str, publisher: H264Publisher, stream: Iterable[AccessUnit]) -> set[int]:
    """Check that every picture had one outcome; the numbers of those answered."""
    sent = {rtp_of(picture.number): picture.number for picture in stream}
    assert set(publisher.outcomes) == set(sent)
    assert all(len(each) == 1 for each in publisher.outcomes.values()), publisher.outcomes
    answered = {sent[rtp] for rtp, each in publisher.outcomes.items() if each == ["answered"]}
    print(f"{name}: {len(answered)} of {len(sent)} answered")
    return answered


@pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)
async def test_markers_and_orders(seen: Seen, sender: Sender) -> None:
    stream = x264(COUNT, "slices=4", keys=(0, 30))
    async with publishing_h264(base(seen.server)) as publisher:
        await _stream(publisher, packets(stream, sender))
        await publisher.ended(rtp_of(picture.number) for picture in stream)
    answered = _report("markers", publisher, stream)
    reasons = {each[0] for each in publisher.outcomes.values()}
    assert reasons <= BUSY
    assert answered
    assert seen.wrong() <= {rtp_of(0)}
    assert publisher.keyframe_requests <= 1  # a session begins with one


@pytest.mark.parametrize("options", ["bframes=2", "bframes=3:b-pyramid=normal:slices=4"])
async def test_b_frames(seen: Seen, options: str) -> None:
    stream = x264(COUNT, f"{options}:b-adapt=0", tune="")
    async with publishing_h264(base(seen.server)) as publisher:
        await _stream(publisher, packets(stream, h264_senders.honest))
        await publisher.ended(rtp_of(picture.number) for picture in stream)
    assert _report(options, publisher, stream)
    lost = [rtp for rtp, each in publisher.outcomes.items() if each[0] not in BUSY]
    assert len(lost) <= 3  # those that were in the decoder when the stream ended
    assert not seen.wrong()


async def test_parameter_sets_of_the_sdp(seen: Seen) -> None:
    stream = x264(COUNT, keys=(0, 30))
    sets = [unit for unit in stream[0].units if unit[0] & 0x1F in (7, 8)]
    async with publishing_h264(base(seen.server), sprop=sets) as publisher:
        await _stream(publisher, packets(stream, h264_senders.without_parameters))
        await publisher.ended(rtp_of(picture.number) for picture in stream)
    assert _report("sprop", publisher, stream)
    assert {each[0] for each in publisher.outcomes.values()} <= BUSY
    assert not seen.wrong()


async def test_intra_refresh_after_a_lost_packet(seen: Seen) -> None:
    stream = x264(90, "intra-refresh=1:keyint=15:bframes=0")
    sent = packets(stream, h264_senders.honest)
    lost_at = next(index for index in range(17, 30) if len(sent[index]) > 1)
    gone = sent[lost_at][0]
    # The packet is waited for as long as its frame could be answered in time.
    async with publishing_h264(base(seen.server), slo_ms=500) as publisher:
        await _stream(publisher, sent, drop=lambda packet: packet is gone)
        await publisher.ended(rtp_of(picture.number) for picture in stream)
    _report("intra refresh", publisher, stream)
    assert publisher.outcomes[rtp_of(lost_at)] == ["lost"]
    lost = {rtp for rtp, each in publisher.outcomes.items() if each == ["lost"]}
    assert max(lost) < rtp_of(65)  # two refreshes later at the most
    assert not seen.wrong()


async def test_a_refresh_that_is_not_announced_after_a_lost_packet(seen: Seen) -> None:
    """No key frame comes though it is asked for, and no recovery point."""
    stream = [
        AccessUnit(picture.number, tuple(unit for unit in picture.units if unit[0] & 0x1F != 6))
        for picture in x264(120, "intra-refresh=1:keyint=15:bframes=0")
    ]
    sent = packets(stream, h264_senders.honest)
    lost_at = next(index for index in range(17, 30) if len(sent[index]) > 1)
    gone = sent[lost_at][0]
    async with publishing_h264(base(seen.server), slo_ms=500) as publisher:
        await _stream(publisher, sent, drop=lambda packet: packet is gone)
        await publisher.ended(rtp_of(picture.number) for picture in stream)
    _report("refresh, not announced", publisher, stream)
    lost = {rtp for rtp, each in publisher.outcomes.items() if each == ["lost"]}
    assert rtp_of(lost_at) in lost
    assert max(lost) < rtp_of(90)  # some two seconds of requests
    assert max(seen.wrong(), default=0) < rtp_of(110)  # and one refresh
