"""The estimate sent to the publisher: how high, and when."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from edge.base.sliding_windows import BitrateWindow
from edge.rtc.bwe.capacity_estimator import CapacityEstimator
from edge.rtc.bwe.encoder_output import EncoderOutput
from edge.rtc.bwe.queue_estimator import QueueEstimator
from edge.rtc.bwe.remb_policy import MAX_REMB_BPS, MIN_REMB_BPS, START_BPS, RembPolicy

NOW_MS = 10_000.0


@dataclass
class Parts:
    """The policy over a link whose measurements the test sets."""

    capacity: CapacityEstimator = field(default_factory=CapacityEstimator)
    queue: QueueEstimator = field(default_factory=QueueEstimator)
    encoder: EncoderOutput = field(default_factory=EncoderOutput)
    received: BitrateWindow = field(default_factory=lambda: BitrateWindow(1000.0, 128))

    def __post_init__(self) -> None:
        self.policy = RembPolicy(self.capacity, self.queue, self.encoder, self.received)

    def sent(self, bps: float) -> None:
        """A second of video at this bitrate has just come."""
        for number in range(15):
            rtp_ms = NOW_MS - 1000.0 + 66.6 * (number + 1)
            self.encoder.begin_frame(rtp_ms, rtp_ms)
            self.encoder.end_frame(bps / 15.0, rtp_ms)
            self.received.add(bps / 15.0, rtp_ms)

    def queue_for(self, ms: float) -> None:
        self.queue.silent(ms + self.queue.interval_ms)


def test_before_anything_is_known_a_first_frame_may_leave_at_once() -> None:
    assert Parts().policy.bps(0.0) == START_BPS


def test_an_encoder_that_obeys_its_cap_gets_room_for_bursts() -> None:
    parts = Parts()
    parts.capacity.measured_bps = 1e6
    parts.encoder.set_cap(0.4e6, 0.0)
    assert parts.policy.bps(NOW_MS) == pytest.approx(2e6)
    parts.policy.max_cap_bps = 4e6
    assert parts.policy.bps(NOW_MS) == pytest.approx(8e6)


def test_an_encoder_without_a_cap_gets_its_share_of_a_busy_link() -> None:
    parts = Parts()
    parts.capacity.measured_bps = 2e6
    assert parts.policy.bps(NOW_MS) == pytest.approx(4e6)  # not limited by the link
    parts.capacity.limited_ms = NOW_MS - 100.0
    parts.sent(1e6)
    assert parts.policy.bps(NOW_MS) == pytest.approx(1.5e6)
    parts.sent(1e6)
    assert parts.policy.bps(NOW_MS) == pytest.approx(1.05 * 2e6)  # makes no queue


def test_the_share_yields_to_a_queue() -> None:
    parts = Parts()
    parts.capacity.measured_bps = 2e6
    parts.queue_for(100.0)
    assert parts.policy.bps(NOW_MS) == pytest.approx(0.5 * 2e6)
    parts.queue_for(500.0)
    assert parts.policy.bps(NOW_MS) == pytest.approx(0.4 * 2e6)


def test_a_cap_that_is_not_obeyed_counts_for_nothing_once_a_queue_stands() -> None:
    parts = Parts()
    parts.capacity.measured_bps = 1e6
    parts.encoder.set_cap(0.2e6, 0.0)
    parts.sent(1.2e6)
    parts.queue_for(200.0)
    parts.queue.track(NOW_MS - 500.0)
    assert parts.policy.bps(NOW_MS) == pytest.approx(2e6)
    assert parts.policy.bps(NOW_MS + 500.0) == pytest.approx(0.4e6)


@pytest.mark.parametrize(("capacity_bps", "bps"), [(1.0, MIN_REMB_BPS), (1e9, MAX_REMB_BPS)])
def test_it_is_bounded(capacity_bps: float, bps: float) -> None:
    parts = Parts()
    parts.capacity.measured_bps = capacity_bps
    assert parts.policy.bps(NOW_MS) == bps


def test_it_is_sent_twice_a_second_and_at_once_when_it_falls() -> None:
    parts = Parts()
    parts.capacity.measured_bps = 2e6
    assert parts.policy.due(0.0) == pytest.approx(4e6)
    assert parts.policy.due(499.0) is None
    assert parts.policy.due(500.0) == pytest.approx(4e6)
    parts.capacity.measured_bps = 1.8e6  # a little lower: no hurry
    assert not parts.policy.is_falling(510.0)
    assert parts.policy.due(520.0) is None
    parts.capacity.measured_bps = 1e6
    assert parts.policy.is_falling(530.0)
    assert parts.policy.due(510.0) is None  # not within 15 ms
    assert parts.policy.due(530.0) == pytest.approx(2e6)
    assert not parts.policy.is_falling(540.0)
