"""The capacity from single trains, each made by hand."""

from __future__ import annotations

import pytest

from edge.rtc.bwe.capacity_estimator import MAX_CAPACITY_BPS, CapacityEstimator
from edge.rtc.bwe.packet_train import OVERHEAD_BYTES, PacketTrain

PACKET_BITS = 8.0 * (1200 + OVERHEAD_BYTES)
INTERVAL_MS = 1000.0 / 15.0


def _train(packets: int, bps: float, *, pacer_bps: float | None = None) -> PacketTrain:
    """A frame over a link of `bps`; with a pacer, it has send times, paced at that rate."""
    gap_ms = 1000.0 * PACKET_BITS / bps
    sent_ms = None if pacer_bps is None else 0.0
    train = PacketTrain(1, 0.0, 0.0, sent_ms, sent_ms, 1200 + OVERHEAD_BYTES)
    for index in range(1, packets):
        at_ms = None if pacer_bps is None else 1000.0 * index * PACKET_BITS / pacer_bps
        train.add(1200, index * gap_ms, at_ms)
    return train


def _learn(capacity: CapacityEstimator, train: PacketTrain, waited_ms: float = 0.0) -> None:
    capacity.learn(train, waited_ms, INTERVAL_MS, 0.0)


def _known(bps: float) -> CapacityEstimator:
    capacity = CapacityEstimator()
    _learn(capacity, _train(8, bps))
    assert capacity.bps == pytest.approx(bps)
    return capacity


def test_the_first_train_is_the_estimate() -> None:
    capacity = CapacityEstimator()
    assert capacity.bps is None
    _learn(capacity, _train(5, 2e6))
    assert capacity.bps == pytest.approx(2e6)


def test_a_train_that_the_sender_spread_never_lowers_the_estimate() -> None:
    capacity = _known(8e6)
    _learn(capacity, _train(5, 1e6, pacer_bps=1e6))
    assert capacity.bps == pytest.approx(8e6)


def test_spread_trains_alone_become_the_estimate_after_ten() -> None:
    capacity = CapacityEstimator()
    for _ in range(10):
        _learn(capacity, _train(5, 1e6, pacer_bps=1e6))
        assert capacity.bps is None
    _learn(capacity, _train(5, 1e6, pacer_bps=1e6))
    assert capacity.bps == pytest.approx(1e6, rel=0.05)


def test_short_trains_count_once_there_are_eight_packets() -> None:
    capacity = CapacityEstimator()
    for _ in range(3):
        _learn(capacity, _train(2, 2e6))
        assert capacity.bps is None
    _learn(capacity, _train(2, 2e6))
    assert capacity.bps == pytest.approx(2e6)


def test_one_train_lowers_the_estimate_to_an_eighth_at_most() -> None:
    capacity = _known(8e6)
    _learn(capacity, _train(20, 0.1e6))
    assert capacity.bps is not None
    assert capacity.bps >= 1e6 * 0.999


def test_one_train_raises_the_estimate_by_a_part() -> None:
    capacity = _known(1e6)
    _learn(capacity, _train(4, 8e6))
    assert capacity.bps is not None
    assert 1e6 < capacity.bps <= 1.12e6 + 1.0


def test_a_sample_is_clamped() -> None:
    capacity = CapacityEstimator()
    _learn(capacity, _train(5, 1e12))
    assert capacity.bps == MAX_CAPACITY_BPS


def test_frames_of_one_packet_probe_up_to_four_times_their_rate() -> None:
    capacity = _known(0.2e6)
    for _ in range(100):
        _learn(capacity, _train(1, 1e6))
    assert capacity.bps == pytest.approx(4.0 * 1000.0 * PACKET_BITS / INTERVAL_MS)
    before_bps = capacity.bps
    _learn(capacity, _train(1, 1e6), waited_ms=20.0)  # behind a queue
    assert capacity.bps == before_bps


class TestBound:
    """An incomplete train, or none, bounds the capacity from above."""

    @staticmethod
    def _bound(capacity: CapacityEstimator, bps: float, packets: int = 6) -> float | None:
        train = _train(packets, bps)
        return capacity.bound_by(
            train,
            train.last_ms,
            waited_ms=0.0,
            interval_ms=INTERVAL_MS,
            frame_bits=9 * PACKET_BITS,
        )

    def test_a_slow_train_bounds_before_it_is_complete(self) -> None:
        capacity = _known(8e6)
        whole_ms = self._bound(capacity, 1e6)
        assert capacity.bps == pytest.approx(1.2e6)  # one more packet may be due now
        assert capacity.measured_bps == pytest.approx(8e6)
        assert whole_ms == pytest.approx(5 * 9.904 + 3 * 9.904 / 1.2, rel=0.01)

    def test_a_train_as_usual_bounds_nothing(self) -> None:
        capacity = _known(8e6)
        assert self._bound(capacity, 7e6) is None
        assert capacity.bps == pytest.approx(8e6)

    def test_the_complete_train_lifts_the_bound(self) -> None:
        capacity = _known(8e6)
        self._bound(capacity, 1e6)
        _learn(capacity, _train(9, 8e6))
        assert capacity.bps == pytest.approx(8e6)

    @pytest.mark.parametrize("lift", [CapacityEstimator.lift_bound, CapacityEstimator.restart])
    def test_a_train_cut_short_and_another_source_lift_it(self, lift) -> None:  # type: ignore[no-untyped-def]
        capacity = _known(8e6)
        capacity.bound_by_silence(PACKET_BITS, 500.0)
        assert capacity.bps == pytest.approx(2 * PACKET_BITS)
        lift(capacity)
        assert capacity.bps == pytest.approx(8e6)
