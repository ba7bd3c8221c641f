"""How long no frame is served over a lossy link, with a sender that answers as Chromium does."""

from __future__ import annotations

import itertools

import pytest

from edge.rtc.jitter.loss_recovery import PLI_INTERVAL_MS
from netem.links.packet_stages import PacketLoss
from tests.rtc.lossy import LossyStream

LOSSES = {
    "1 %": lambda: PacketLoss(0.01, 1),
    "2 %": lambda: PacketLoss(0.02, 2),
    "5 %": lambda: PacketLoss(0.05, 3),
    "bursts": lambda: PacketLoss(0.01, 4, burst=10),
}


@pytest.mark.parametrize(("fps", "packets"), [(15.0, 9), (30.0, 5)])
@pytest.mark.parametrize("loss", LOSSES)
def test_no_long_stall_and_at_most_one_frame_in_100_lost(
    loss: str, fps: float, packets: int
) -> None:
    run = LossyStream(LOSSES[loss](), fps=fps, packets=packets).run(60.0)
    assert run.stalls_ms[0] <= 400.0
    assert run.share >= 0.99
    for earlier, later in itertools.pairwise(run.requests_ms):
        assert later - earlier >= PLI_INTERVAL_MS


@pytest.mark.parametrize("rtt_ms", [60.0, 100.0, 200.0])
def test_over_a_long_round_trip_a_lost_packet_is_waited_for(rtt_ms: float) -> None:
    """A key frame would take longer than the packet does, though both are late."""
    run = LossyStream(PacketLoss(0.01, 5), rtt_ms=rtt_ms, max_wait_ms=15.0).run(60.0)
    assert run.share >= 0.98
    assert len(run.requests_ms) <= 5


def test_asking_early_for_a_frames_end_does_not_shorten_the_round_trip() -> None:
    """The answer belongs to the first request, not to the one that the next frame would cause."""
    run = LossyStream(_LastOfSomeFrames(), rtt_ms=60.0, key_packets=9).run(20.0)
    assert run.buffer.nacks.rtt_ms == pytest.approx(60.0, rel=0.1)


class _LastOfSomeFrames(PacketLoss):
    """Nine packets a frame and one repeated: the ninth of each 28 is lost."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self._numbers = itertools.count()

    def put(self, packet: bytes, now_ms: float) -> None:
        if next(self._numbers) % 28 != 8:
            super().put(packet, now_ms)


def test_a_sender_that_does_not_answer_is_asked_for_key_frames() -> None:
    run = LossyStream(PacketLoss(0.01, 6), answers=False).run(30.0)
    assert run.share >= 0.5
