"""The queue from delays, frames that run on, and silence."""

from __future__ import annotations

import pytest

from edge.rtc.bwe.queue_estimator import QueueEstimator

INTERVAL_MS = 1000.0 / 15.0


def _send(
    queue: QueueEstimator, first: int, delays_ms: list[float], span_ms: float = 5.0
) -> QueueEstimator:
    """Frames from number `first` on, with these one-way delays."""
    for number, delay_ms in enumerate(delays_ms, start=first):
        sent_ms = number * INTERVAL_MS
        queue.begin_frame(sent_ms + delay_ms, sent_ms, sent_ms)
        queue.end_frame(span_ms)
    return queue


def test_growth_of_the_delay_in_two_frames_is_a_queue() -> None:
    queue = _send(QueueEstimator(), 0, [10.0] * 10)
    _send(queue, 10, [40.0])
    assert queue.waited_ms == pytest.approx(30.0)
    assert queue.ms == 0.0  # one frame may be a radio's jitter
    _send(queue, 11, [40.0])
    assert queue.ms == pytest.approx(30.0)


def test_the_senders_two_clocks_have_a_minimum_each() -> None:
    queue = QueueEstimator()
    queue.begin_frame(10.0, 0.0, 0.0)
    queue.begin_frame(76.0, None, 50_000.0)  # no send time: the RTP clock starts elsewhere
    assert queue.waited_ms == 0.0
    queue.begin_frame(143.0, 103.0, 100_000.0)
    assert queue.waited_ms == 30.0


def test_a_frame_that_runs_on_delays_the_next() -> None:
    queue = _send(QueueEstimator(), 0, [10.0] * 10)
    queue.begin_frame(10 * INTERVAL_MS + 10.0, 10 * INTERVAL_MS, 0.0)
    queue.extend_frame(100.0)
    assert queue.ms == pytest.approx(100.0 - queue.interval_ms)
    queue.foresee(150.0)
    assert queue.ms == pytest.approx(150.0 - queue.interval_ms)
    queue.cut_short()
    assert queue.ms == 0.0


def test_the_interval_follows_the_frames() -> None:
    queue = QueueEstimator()
    for number in range(100):
        queue.begin_frame(33.0 * number, 33.0 * number, 0.0)
    assert queue.interval_ms == pytest.approx(33.0, abs=0.1)


def test_silence_is_a_queue_until_a_frame_comes() -> None:
    queue = _send(QueueEstimator(), 0, [10.0] * 10)
    queue.silent(400.0)
    assert queue.ms == pytest.approx(400.0 - queue.interval_ms)
    _send(queue, 16, [10.0])
    assert queue.ms == 0.0


def test_a_drained_queue_is_gone() -> None:
    queue = _send(QueueEstimator(), 0, [10.0] * 5 + [90.0] * 2)
    assert queue.ms > 50.0
    queue.drained()
    assert queue.ms == 0.0


def test_it_is_bounded() -> None:
    queue = _send(QueueEstimator(), 0, [10.0])
    queue.silent(1e9)
    assert queue.ms == 10_000.0


def test_tracking_keeps_the_time_since_there_is_a_queue() -> None:
    queue = _send(QueueEstimator(), 0, [10.0] * 5)
    assert queue.track(400.0) == 0.0
    assert not queue.since_ms
    queue.silent(300.0)
    assert queue.track(500.0) == queue.ms
    queue.track(600.0)
    assert queue.since_ms == 500.0
    queue.silent(queue.interval_ms + 9.0)  # negligible
    assert queue.track(700.0) == 0.0
    assert queue.since_ms is None


def test_another_source_has_other_clocks() -> None:
    queue = _send(QueueEstimator(), 0, [10.0] * 10)
    queue.restart()
    _send(queue, 10, [5_000.0, 5_000.0])
    assert queue.ms == 0.0
