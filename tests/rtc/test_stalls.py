"""How long nothing is served over a lossy way, with a sender that answers as Chromium does."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from edge.rtc.jitter.loss_recovery import PLI_INTERVAL_MS
from tests.rtc.lossy import Lossy, at_random, in_bursts

LOSSES = {
    "1 %": lambda: at_random(0.01, 1),
    "2 %": lambda: at_random(0.02, 2),
    "5 %": lambda: at_random(0.05, 3),
    "bursts": lambda: in_bursts(0.01, 10, 4),
}


@pytest.mark.parametrize(("fps", "packets"), [(15.0, 9), (30.0, 5)])
@pytest.mark.parametrize("loss", LOSSES)
def test_no_long_stall_and_hardly_a_frame_lost(loss: str, fps: float, packets: int) -> None:
    run = Lossy(LOSSES[loss](), fps=fps, packets=packets).run(60.0)
    assert run.stalls_ms[0] <= 400.0
    assert run.share >= 0.99
    for earlier, later in itertools.pairwise(run.requests_ms):
        assert later - earlier >= PLI_INTERVAL_MS


@pytest.mark.parametrize("rtt_ms", [60.0, 100.0, 200.0])
def test_over_a_long_way_a_lost_packet_is_waited_for(rtt_ms: float) -> None:
    """A key frame would take longer than the packet does, though both are late."""
    run = Lossy(at_random(0.01, 5), rtt_ms=rtt_ms, patience_ms=15.0).run(60.0)
    assert run.share >= 0.98
    assert len(run.requests_ms) <= 5


def test_asking_early_for_a_frames_end_does_not_shorten_the_round_trip() -> None:
    """The answer belongs to the first question, not to the one that the next frame would make."""
    run = Lossy(_last_of_some_frames(), rtt_ms=60.0, key_packets=9).run(20.0)
    assert run.buffer.gaps.rtt_ms == pytest.approx(60.0, rel=0.1)


def _last_of_some_frames() -> Callable[[], bool]:
    numbers = itertools.count()
    return lambda: next(numbers) % 28 == 8  # nine packets a frame, and one sent again


def test_a_sender_that_does_not_answer_is_asked_for_key_frames() -> None:
    run = Lossy(at_random(0.01, 6), answers=False).run(30.0)
    assert run.share >= 0.5
