"""Rate from packet trains over links whose speed is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.rtc.bwe.capacity_estimator import MAX_CAPACITY_BPS
from edge.rtc.bwe.remb_policy import MAX_REMB_BPS, MIN_REMB_BPS, START_BPS

WIRE_BYTES = 1200
PER_FRAME = 6000


@dataclass
class Link:
    """A queue that lets bits through at a rate; frames are sent into it at 15 a second."""

    bps: float
    pacer_bps: float = 50e6
    delay_ms: float = 10.0
    estimator: BandwidthEstimator = field(default_factory=BandwidthEstimator)
    send_times: bool = True
    free_ms: float = 0.0
    frame: int = 0

    def send(self, frames: int, packets: int) -> Link:
        for _ in range(frames):
            sent_ms = self.frame * 1000.0 / 15.0
            for index in range(packets):
                bits = 8.0 * (WIRE_BYTES + 38)
                self.free_ms = max(self.free_ms, sent_ms) + 1000.0 * bits / self.bps
                self.estimator.observe(
                    self.frame * PER_FRAME,
                    WIRE_BYTES,
                    index == packets - 1,
                    self.free_ms + self.delay_ms,
                    int(sent_ms * 262.144) & 0xFFFFFF if self.send_times else None,
                )
                sent_ms += 1000.0 * bits / self.pacer_bps
            self.frame += 1
        return self

    @property
    def now_ms(self) -> float:
        return self.frame * 1000.0 / 15.0 + self.delay_ms

    @property
    def capacity_bps(self) -> float:
        capacity_bps = self.estimator.capacity_bps
        assert capacity_bps is not None
        return capacity_bps


@pytest.mark.parametrize("bps", [1e6, 2e6, 8e6, 20e6])
@pytest.mark.parametrize("send_times", [True, False])
def test_a_burst_measures_the_link(bps: float, send_times: bool) -> None:
    link = Link(bps, send_times=send_times).send(10, packets=5)
    assert link.capacity_bps == pytest.approx(bps, rel=0.05)
    assert link.estimator.queue_ms == pytest.approx(0.0, abs=1.0)
    burst_ms = 4 * 1000.0 * 8 * (WIRE_BYTES + 38) / bps
    assert link.estimator.network_ms(0.5) == pytest.approx(burst_ms, rel=0.05)


def test_a_step_down_shows_within_one_frame_and_in_its_middle() -> None:
    link = Link(8e6).send(30, packets=9)
    link.bps = 1e6
    sent_ms = link.frame * 1000.0 / 15.0
    for index in range(6):  # a frame still coming in
        link.estimator.observe(
            link.frame * PER_FRAME, WIRE_BYTES, False, sent_ms + 10.0 + 10.0 * index,
            int(sent_ms * 262.144) & 0xFFFFFF,
        )  # fmt: skip
    assert link.capacity_bps < 1.5e6
    link.frame += 1
    link.send(1, packets=9)
    assert link.capacity_bps < 2.8e6
    link.send(1, packets=9)
    assert link.capacity_bps < 1.5e6


def test_a_stall_shows_with_no_packet_at_all() -> None:
    link = Link(8e6).send(30, packets=9)
    sent_ms = link.frame * 1000.0 / 15.0
    for index in range(5):
        link.estimator.observe(
            link.frame * PER_FRAME, WIRE_BYTES, False, sent_ms + 10.0 + index,
            int(sent_ms * 262.144) & 0xFFFFFF,
        )  # fmt: skip
    before_bps = link.capacity_bps
    link.estimator.tick(sent_ms + 214.0)
    assert link.capacity_bps < 0.5e6 < before_bps


def test_a_step_up_shows_within_two_seconds() -> None:
    link = Link(1e6).send(15, packets=5)
    link.bps = 8e6
    link.send(15, packets=5)
    assert link.capacity_bps > 4e6
    link.send(15, packets=5)
    assert link.capacity_bps == pytest.approx(8e6, rel=0.1)


def test_short_trains_in_a_burst_of_the_link_do_not_run_away_with_the_estimate() -> None:
    link = Link(1e6).send(30, packets=6)
    link.bps = 100e6  # what two packets within a token bucket look like
    link.send(8, packets=2)
    link.bps = 1e6
    assert link.capacity_bps < 2e6
    link.send(1, packets=6)
    assert link.capacity_bps < 1.5e6


def test_a_train_that_the_sender_spread_is_only_a_lower_bound() -> None:
    link = Link(50e6, pacer_bps=50e6).send(10, packets=5)
    fast_bps = link.capacity_bps
    link.pacer_bps = 1e6
    link.send(15, packets=5)
    assert link.capacity_bps == pytest.approx(fast_bps, rel=0.05)


def test_packets_read_in_one_go_are_clamped() -> None:
    estimator = BandwidthEstimator()
    for frame in range(20):
        for index in range(6):
            estimator.observe(frame * PER_FRAME, WIRE_BYTES, index == 5, frame * 66.0)
    assert estimator.capacity_bps is not None
    assert estimator.capacity_bps <= MAX_CAPACITY_BPS
    assert estimator.remb.bps(2000.0) <= MAX_REMB_BPS


def test_a_step_is_detected_once() -> None:
    link = Link(8e6)
    for _ in range(30):
        link.send(1, packets=9)
        assert not link.estimator.detect_step(link.now_ms)
    link.bps = 1e6
    link.send(1, packets=9)
    assert link.estimator.detect_step(link.now_ms)
    assert not link.estimator.detect_step(link.now_ms)


def test_one_frame_that_waited_is_jitter_two_are_a_queue() -> None:
    link = Link(8e6).send(30, packets=4)
    link.delay_ms += 30.0
    link.send(1, packets=4)
    assert link.estimator.queue_ms < 5.0
    link.send(1, packets=4)
    assert link.estimator.queue_ms == pytest.approx(30.0, abs=5.0)


def test_silence_where_frames_were_due_is_a_queue() -> None:
    link = Link(8e6).send(30, packets=4)
    link.estimator.tick(link.now_ms + 100.0)
    assert link.estimator.queue_ms < 5.0
    link.estimator.tick(link.now_ms + 500.0)
    assert link.estimator.queue_ms > 300.0
    assert link.capacity_bps < 1e6
    assert link.estimator.detect_step(link.now_ms + 500.0)
    link.frame += 8
    link.send(2, packets=4)
    assert link.estimator.queue_ms < 5.0
    assert link.capacity_bps > 4e6


def test_a_link_that_is_gone_after_a_frames_first_packet_is_noticed() -> None:
    link = Link(2e6).send(20, packets=2)
    link.estimator.observe(20 * PER_FRAME, WIRE_BYTES, marker=False, arrival_ms=link.now_ms)
    link.estimator.tick(link.now_ms + 150.0)
    assert link.estimator.queue_ms == 0.0
    link.estimator.tick(link.now_ms + 450.0)
    assert link.estimator.queue_ms > 300.0
    assert link.capacity_bps < 0.1e6


def test_the_usual_frame_is_known_while_frames_come_under_the_cap() -> None:
    link = Link(8e6).send(20, packets=9)
    link.estimator.set_cap(600e3, link.now_ms)
    assert link.estimator.frame_bits(link.now_ms) is None
    link.send(4, packets=3)
    assert link.estimator.frame_bits(link.now_ms) == pytest.approx(3 * 9800, rel=0.05)
    assert link.estimator.frame_bits(link.now_ms + 500.0) is None


def test_an_encoder_that_made_too_much_is_silent_not_the_link() -> None:
    """Cut to a tenth right after a frame of ten times that: it leaves out the next ten."""
    link = Link(8e6).send(30, packets=9)
    link.estimator.set_cap(1.2e6, link.now_ms)
    link.send(30, packets=9)
    link.estimator.set_cap(120e3, link.now_ms)
    link.estimator.tick(link.now_ms + 500.0)
    assert link.estimator.queue_ms < 5.0
    link.estimator.tick(link.now_ms + 3000.0)  # by then it has made up for it
    assert link.estimator.queue_ms > 300.0


def test_an_encoder_that_leaves_out_frames_leaves_no_queue() -> None:
    """All that it sent has come, late, and it sends nothing more: the queue is gone."""
    link = Link(8e6).send(30, packets=9)
    link.estimator.set_cap(1.2e6, link.now_ms)
    link.bps = 0.5e6
    link.send(2, packets=9)
    ended_ms = link.free_ms + link.delay_ms
    link.estimator.set_cap(120e3, ended_ms)
    link.estimator.tick(ended_ms + 60.0)
    assert link.estimator.queue_ms > 50.0
    link.estimator.tick(ended_ms + 120.0)
    assert link.estimator.queue_ms == 0.0


def test_an_estimate_is_not_lowered_for_a_sender_that_obeys_its_cap() -> None:
    link = Link(8e6).send(30, packets=9)
    link.estimator.remb.max_cap_bps = 4e6
    link.estimator.set_cap(500e3, link.now_ms)
    link.bps = 0.5e6
    link.send(40, packets=3)
    assert link.estimator.remb.bps(link.now_ms) >= 8e6
    link.send(40, packets=9)  # it does not any more, and a queue stands
    link.estimator.detect_step(link.now_ms)
    link.send(20, packets=9)
    assert link.estimator.remb.bps(link.now_ms) < 0.5e6


def test_short_trains_count_together() -> None:
    link = Link(2e6).send(20, packets=2)
    assert link.capacity_bps == pytest.approx(2e6, rel=0.05)
    assert Link(2e6).send(20, packets=1).estimator.capacity_bps is None


def test_a_queue_that_grows_is_seen_and_drained() -> None:
    link = Link(1e6).send(15, packets=5)
    steady_bps = link.estimator.remb.bps(link.now_ms)
    link.send(15, packets=9)  # 1.3 Mbit/s into 1
    assert link.estimator.queue_ms > 100.0
    drained_bps = link.estimator.remb.bps(link.now_ms)
    assert drained_bps < 0.8 * steady_bps
    assert drained_bps < 1e6
    link.send(15, packets=1)
    assert link.estimator.queue_ms < 5.0


def test_the_estimate_holds_the_encoder_only_where_nothing_else_does() -> None:
    busy = Link(2e6).send(30, packets=9)  # 1.3 of 2 Mbit/s
    assert busy.estimator.throughput_bps(busy.now_ms) == pytest.approx(1.34e6, rel=0.1)
    assert busy.estimator.remb.bps(busy.now_ms) < 0.9 * 2e6
    busy.estimator.set_cap(1.2e6, busy.now_ms)
    assert busy.estimator.remb.bps(busy.now_ms) > 1.5 * 2e6  # each frame as one burst
    spare = Link(8e6).send(30, packets=9)
    assert spare.estimator.remb.bps(spare.now_ms) > 1.5 * 8e6


def test_the_estimate_is_sent_at_once_when_it_falls_and_at_intervals_otherwise() -> None:
    link = Link(20e6)
    assert link.estimator.remb.due(0.0) == START_BPS
    assert link.estimator.remb.due(100.0) is None
    link.send(15, packets=9)
    sent_bps = link.estimator.remb.due(link.now_ms)
    assert sent_bps is not None
    assert sent_bps > START_BPS
    assert not link.estimator.remb.is_falling(link.now_ms)
    link.bps = 1e6
    link.send(3, packets=9)
    assert link.estimator.remb.is_falling(link.now_ms)
    fallen_bps = link.estimator.remb.due(link.now_ms)
    assert fallen_bps is not None
    assert fallen_bps < 0.5 * sent_bps


def test_loss_is_that_of_the_last_two_seconds() -> None:
    estimator = BandwidthEstimator()
    assert estimator.loss == 0.0
    for step in range(20):
        estimator.observe_counts(100 * step, 10 * step, 250.0 * step)
    assert estimator.loss == pytest.approx(10 / 110)
    for step in range(20, 40):
        estimator.observe_counts(100 * step, 190, 250.0 * step)
    assert estimator.loss == 0.0


def test_jitter_of_a_radio_link_leaves_the_estimate_near_the_truth() -> None:
    link = Link(4e6)
    for round_ in range(60):
        link.delay_ms = 10.0 + 15.0 * (round_ % 3)  # whole frames late, not packets spread
        link.send(1, packets=6)
    assert link.capacity_bps == pytest.approx(4e6, rel=0.1)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 0xFFFFFFFF) | st.integers(0, 3),
            st.integers(0, 65535),
            st.booleans(),
            st.floats(-1e9, 1e9),
            st.none() | st.integers(0, 0xFFFFFF),
        ),
        max_size=60,
    )
)
def test_no_arrivals_make_a_decision_unbounded(
    script: list[tuple[int, int, bool, float, int | None]],
) -> None:
    estimator = BandwidthEstimator()
    for rtp, size, marker, arrival_ms, send_time in script:
        estimator.observe(rtp, size, marker, arrival_ms, send_time)
        estimator.tick(arrival_ms + 30.0)
        estimator.detect_step(arrival_ms + 30.0)
        if marker:
            estimator.set_cap(float(size), arrival_ms)
        estimator.observe_counts(size, rtp & 0xFF, arrival_ms)
        assert MIN_REMB_BPS <= estimator.remb.bps(arrival_ms) <= MAX_REMB_BPS
        assert estimator.queue_ms >= 0.0
        assert 0.0 <= estimator.loss <= 1.0
        capacity_bps = estimator.capacity_bps
        assert capacity_bps is None or 0.0 <= capacity_bps <= MAX_CAPACITY_BPS


@pytest.mark.parametrize("send_times", [True, False])
def test_another_source_has_other_clocks_and_the_same_link(send_times: bool) -> None:
    link = Link(8e6, send_times=send_times).send(10, packets=5)
    link.estimator.observe_counts(1000, 0, link.now_ms)
    capacity_bps = link.capacity_bps
    link.estimator.restart()
    link.delay_ms += 30_000.0  # as another clock would look
    link.send(1, packets=5)
    assert link.estimator.queue_ms == 0.0
    assert link.capacity_bps == pytest.approx(capacity_bps, rel=0.05)
    link.estimator.observe_counts(10, 0, link.now_ms)
    link.estimator.observe_counts(20, 10, link.now_ms)
    assert link.estimator.loss == 0.5


def test_a_clock_that_goes_back_makes_no_negative_time() -> None:
    estimator = BandwidthEstimator()
    estimator.observe(0, WIRE_BYTES, False, 10.0)
    estimator.observe(0, WIRE_BYTES, True, 9.5)
    assert estimator.network_ms(0.5) == 0.0


def _lossy_with_a_frame_broken_off() -> tuple[BandwidthEstimator, int, float]:
    """8 Mbit/s and some losses; of the last frame, half has come. Its timestamp, and when."""
    link = Link(8e6).send(40, 8)
    estimator = link.estimator
    estimator.observe_counts(300, 0, link.now_ms - 1000.0)
    estimator.observe_counts(320, 1, link.now_ms)
    assert not estimator.detect_step(link.now_ms)
    rtp, at_ms = link.frame * PER_FRAME, link.now_ms
    for index in range(4):
        estimator.observe(rtp, WIRE_BYTES, False, at_ms + 1.24 * index, None)
    return estimator, rtp, at_ms + 3.72


def test_a_frame_whose_end_was_lost_is_no_step() -> None:
    estimator, rtp, last_ms = _lossy_with_a_frame_broken_off()
    for silent_ms in (25.0, 50.0):
        estimator.tick(last_ms + silent_ms)
        assert not estimator.detect_step(last_ms + silent_ms)
    estimator.observe_retransmission(rtp, last_ms + 55.0)
    for silent_ms in (60.0, 75.0, 100.0):
        estimator.tick(last_ms + silent_ms)
        assert not estimator.detect_step(last_ms + silent_ms)
    estimator.observe(rtp, WIRE_BYTES, True, last_ms + 110.0, None)  # a straggler of it
    assert not estimator.detect_step(last_ms + 110.0)
    assert estimator.capacity_bps == pytest.approx(8e6, rel=0.15)


def test_a_frame_that_nothing_restores_shows_a_link_that_is_gone() -> None:
    estimator, _, last_ms = _lossy_with_a_frame_broken_off()
    estimator.tick(last_ms + 100.0)
    assert estimator.detect_step(last_ms + 100.0)
