"""Draining a queue, and sharing the link where it doesn't drain."""

from __future__ import annotations

import pytest

from edge.adaptation.queue_response import MAX_SHARE, MIN_SHARE, QueueResponse

CROSSING_MS = 36.0


def _drain(
    response: QueueResponse,
    queue_ms: float,
    now_ms: float,
    *,
    capacity_bps: float = 8e6,
    bps: float | None = 2e6,
) -> float:
    response.found(now_ms)
    return response.drain_bps(queue_ms, capacity_bps, CROSSING_MS, bps, now_ms)


class TestDraining:
    def test_the_longer_the_queue_the_less_is_sent(self) -> None:
        rates = [_drain(QueueResponse(), ms, 0.0, bps=None) for ms in (12.0, 60.0, 96.0)]
        assert rates == pytest.approx([0.9 * 8e6, 0.5 * 8e6, 0.2 * 8e6])

    def test_a_part_of_the_link_goes_on(self) -> None:
        assert _drain(QueueResponse(), 5_000.0, 0.0, bps=None) == pytest.approx(0.15 * 8e6)

    def test_it_is_less_than_the_bitrate_that_made_the_queue(self) -> None:
        assert _drain(QueueResponse(), 40.0, 0.0) == pytest.approx(2e6 * (1 - 40 / (2.8 * 36)))

    def test_one_queue_is_cut_for_once_unless_it_grows(self) -> None:
        response = QueueResponse()
        first_bps = _drain(response, 40.0, 0.0)
        assert _drain(response, 40.0, 500.0, bps=first_bps) == first_bps
        assert _drain(response, 90.0, 600.0, bps=first_bps) < first_bps

    def test_two_cuts_have_an_interval(self) -> None:
        response = QueueResponse()
        first_bps = _drain(response, 20.0, 0.0)
        assert _drain(response, 60.0, 399.0, bps=first_bps) == first_bps
        assert _drain(response, 60.0, 400.0, bps=first_bps) < first_bps

    def test_after_a_break_the_next_cut_starts_from_the_bitrate_then(self) -> None:
        response = QueueResponse()
        _drain(response, 60.0, 0.0)
        response.absent(6_000.0)  # long enough to forget the last queue's length
        assert _drain(response, 30.0, 6_100.0) == pytest.approx(2e6 * (1 - 30 / (2.8 * 36)))


class TestCompeting:
    @staticmethod
    def _standing() -> QueueResponse:
        response = QueueResponse()
        for now_ms in range(0, 1_700, 100):
            response.found(now_ms)
        assert response.is_competing(1_600.0)
        return response

    def test_a_queue_that_does_not_drain_is_another_flows(self) -> None:
        response = QueueResponse()
        assert not response.is_competing(0.0)
        response.found(0.0)
        response.found(1_500.0)
        assert not response.is_competing(1_500.0)
        assert response.is_competing(1_501.0)

    def test_a_short_break_ends_no_queue_a_longer_one_does(self) -> None:
        response = self._standing()
        response.absent(2_100.0)
        assert response.is_competing(2_100.0)
        response.absent(2_101.0)
        assert not response.is_competing(2_101.0)
        assert response.last_ms == 1_600.0

    def test_the_share_grows_while_the_queue_does_not(self) -> None:
        response = self._standing()
        shares = [response.adapt_share(80.0, 0.0, 2_000.0 + 500.0 * n) for n in range(30)]
        assert shares[0] == MIN_SHARE  # the first queue is longer than none
        assert shares == sorted(shares)
        assert shares[2] == pytest.approx(MIN_SHARE + 0.06)
        assert shares[-1] == MAX_SHARE
        assert response.share == MAX_SHARE

    @pytest.mark.parametrize(("queue_ms", "loss"), [(200.0, 0.0), (80.0, 0.1)])
    def test_it_falls_with_a_longer_queue_or_losses(self, queue_ms: float, loss: float) -> None:
        response = self._standing()
        for n in range(10):
            response.adapt_share(80.0, 0.0, 2_000.0 + 500.0 * n)
        before = response.share
        assert response.adapt_share(queue_ms, loss, 7_000.0) == pytest.approx(0.85 * before)

    def test_it_changes_twice_a_second_at_most(self) -> None:
        response = self._standing()
        response.adapt_share(80.0, 0.0, 2_000.0)
        assert response.adapt_share(500.0, 0.5, 2_499.0) == MIN_SHARE

    def test_the_next_queue_starts_at_the_minimum(self) -> None:
        response = self._standing()
        for n in range(10):
            response.adapt_share(80.0, 0.0, 2_000.0 + 500.0 * n)
        response.absent(8_000.0)
        response.found(8_100.0)
        assert response.share == MIN_SHARE
