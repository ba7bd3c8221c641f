"""Missing packets: requested when, how often, and until when."""

from __future__ import annotations

import pytest

from edge.rtc.jitter.nack import FIRST_REQUESTS, MAX_NACKS, REQUESTS_PER_PACKET, NackRequester
from edge.rtc.reception_stats import ReceptionCounts

RTT_MS = 30.0


def _requester(max_wait_ms: float = 300.0) -> NackRequester:
    return NackRequester(max_wait_ms, RTT_MS, ReceptionCounts())


class TestMissing:
    def test_a_gap_is_missing_until_its_packets_come(self) -> None:
        nacks = _requester()
        nacks.add(10, 13, 0.0)
        assert len(nacks) == 3
        assert 12 in nacks
        assert 13 not in nacks
        assert nacks.any_between(12, 20)
        assert not nacks.any_between(13, 20)
        assert nacks.arrived(11, 5.0)
        assert not nacks.arrived(11, 6.0)  # it was there already
        nacks.forget(12)
        assert [number for number in range(20) if number in nacks] == [10]
        nacks.clear()
        assert len(nacks) == 0
        assert nacks.wake_ms() == float("inf")

    def test_a_run_is_found_where_enough_are_missing_in_a_row(self) -> None:
        nacks = _requester()
        nacks.add(10, 13, 0.0)
        nacks.add(20, 24, 0.0)
        assert nacks.run_start(3) == 10
        assert nacks.run_start(4) == 20
        assert nacks.run_start(5) == float("inf")
        nacks.arrived(21, 1.0)
        assert nacks.run_start(4) == float("inf")


class TestRequests:
    def test_a_missing_packet_is_requested_at_once_and_every_1_3_round_trips(self) -> None:
        nacks = _requester()
        nacks.add(10, 12, 100.0)
        assert nacks.wake_ms() == 100.0
        assert nacks.due(100.0) == [10, 11]
        assert nacks.due(101.0) == []
        assert nacks.wake_ms() == 100.0 + 1.3 * RTT_MS + 3.0
        assert nacks.due(nacks.wake_ms()) == [10, 11]

    def test_a_packet_that_came_is_not_requested_again(self) -> None:
        nacks = _requester()
        nacks.add(10, 12, 0.0)
        nacks.due(0.0)
        nacks.arrived(10, 20.0)
        assert nacks.due(50.0) == [11]

    def test_one_that_cannot_arrive_in_time_is_not_requested_again(self) -> None:
        nacks = _requester(max_wait_ms=10.0)
        nacks.add(10, 11, 0.0)
        requested_ms = [now for now in range(1000) if nacks.due(float(now))]
        give_up_ms = nacks.give_up_ms(0.0)
        assert give_up_ms is not None
        assert give_up_ms == 4.0 * RTT_MS + 20.0  # three answers, though the deadline was at 10 ms
        assert len(requested_ms) == 3
        assert requested_ms[-1] + 0.8 * RTT_MS <= give_up_ms

    def test_however_long_the_wait_there_are_eight_requests(self) -> None:
        nacks = _requester(max_wait_ms=1e6)
        nacks.add(10, 11, 0.0)
        assert sum(len(nacks.due(10.0 * step)) for step in range(1000)) == 8
        assert nacks.wake_ms() == float("inf")

    def test_a_request_is_bounded(self) -> None:
        counts = ReceptionCounts(packets=1000)
        nacks = NackRequester(300.0, RTT_MS, counts)
        nacks.add(0, 500, 0.0)
        assert nacks.due(0.0) == list(range(MAX_NACKS))
        counts.packets += 1000
        assert nacks.due(0.0) == []
        assert nacks.due(10.0) == list(range(MAX_NACKS, 2 * MAX_NACKS))

    def test_after_reordering_the_first_request_waits_as_long(self) -> None:
        nacks = _requester()
        nacks.add(10, 11, 0.0)
        nacks.arrived(10, 6.0)  # unrequested: only reordered
        nacks.add(12, 13, 100.0)
        assert nacks.wake_ms() == 106.0
        for number, late_ms in ((20, 500.0), (30, 900.0)):
            nacks.add(number, number + 1, 0.0)
            nacks.arrived(number, late_ms)
        nacks.add(40, 41, 2000.0)
        nacks.forget(12)
        assert nacks.wake_ms() == 2020.0  # bounded

    def test_the_caller_may_give_one_up_instead(self) -> None:
        nacks = _requester()
        nacks.add(10, 13, 0.0)

        def give_up(number: int) -> bool:
            if number == 11:
                nacks.forget(number)
            return number == 11

        assert nacks.due(0.0, give_up) == [10, 12]
        assert 11 not in nacks

    def test_requests_and_recoveries_are_counted(self) -> None:
        counts = ReceptionCounts()
        nacks = NackRequester(300.0, RTT_MS, counts)
        nacks.add(10, 13, 0.0)
        nacks.due(0.0)
        nacks.arrived(10, 30.0)
        assert (counts.missed, counts.nacked, counts.recovered) == (3, 3, 1)


class TestGivingUp:
    def test_none_is_missing_none_is_given_up(self) -> None:
        assert _requester().give_up_ms(0.0) is None

    def test_the_lowest_is_given_up_some_time_after_its_frame_began(self) -> None:
        nacks = _requester(max_wait_ms=500.0)
        nacks.add(10, 11, 40.0)
        nacks.add(20, 21, 90.0)
        assert nacks.give_up_ms(30.0) == 530.0
        assert nacks.give_up_ms(float("inf")) == 540.0  # no packet of its frame has come
        nacks.extra_wait_ms = 150.0
        assert nacks.give_up_ms(30.0) == 680.0


class TestProbes:
    def test_a_probe_in_flight_delays_the_request(self) -> None:
        nacks = _requester()
        nacks.probed(range(10, 12), 0.0, sent=True)
        nacks.add(10, 13, 20.0)
        assert nacks.due(20.0) == [12]
        assert nacks.wake_ms() == nacks.retry_ms(0.0)

    def test_a_probe_for_packets_not_sent_yet_does_not(self) -> None:
        nacks = _requester()
        nacks.probed(range(10, 12), 0.0, sent=False)
        nacks.add(10, 12, 20.0)
        assert nacks.due(20.0) == [10, 11]

    def test_an_answer_after_two_early_requests_is_no_round_trip(self) -> None:
        nacks = _requester()
        for at_ms in (0.0, 42.0):
            nacks.probed(range(10, 12), at_ms, sent=True)
        nacks.add(10, 12, 44.0)
        nacks.arrived(10, 46.0)  # to the first
        assert nacks.rtt_ms >= RTT_MS


class TestRoundTrip:
    def test_a_suggestion_counts_until_an_answer_was_measured(self) -> None:
        nacks = _requester()
        nacks.suggest_rtt(80.0)
        assert nacks.rtt_ms == 80.0
        nacks.suggest_rtt(-1.0)
        nacks.suggest_rtt(1e9)
        assert nacks.rtt_ms == 80.0
        nacks.add(10, 11, 0.0)
        nacks.due(0.0)
        nacks.arrived(10, 25.0)
        nacks.suggest_rtt(200.0)
        assert nacks.rtt_ms == 25.0

    def test_one_burst_answered_late_lengthens_it_once(self) -> None:
        nacks = _requester()
        nacks.add(10, 18, 0.0)
        assert len(nacks.due(0.0)) == len(nacks.due(50.0)) == 8
        for number in range(10, 18):
            nacks.arrived(number, 80.0 + number)
        assert nacks.rtt_ms == pytest.approx(45.0)

    def test_one_taken_for_far_too_short_is_corrected(self) -> None:
        nacks = _requester()
        nacks.add(1, 2, 0.0)
        nacks.due(0.0)
        nacks.arrived(1, 3.0)  # by chance, the packet was on its way
        for event in range(1, 40):
            start_ms, number = 1000.0 * event, 10 * event
            nacks.add(number, number + 1, start_ms)
            for after_ms in range(41):  # the true round trip is 40 ms
                nacks.due(start_ms + after_ms)
            nacks.arrived(number, start_ms + 40.0)
        assert nacks.rtt_ms == pytest.approx(40.0, rel=0.3)


def test_requests_are_budgeted_against_packets_received() -> None:
    counts = ReceptionCounts()
    nacks = NackRequester(60.0, 20.0, counts)
    requested = 0
    for jump in range(200):  # each packet comes with an invented gap before it
        counts.packets += 1
        nacks.add(500 * jump, 500 * jump + 499, 10.0 * jump)
        requested += len(nacks.due(10.0 * jump))
    assert requested <= 200 * REQUESTS_PER_PACKET + FIRST_REQUESTS


def test_without_budget_the_next_look_is_later() -> None:
    nacks = NackRequester(60.0, 20.0, ReceptionCounts())
    nacks.add(0, 500, 0.0)
    assert len(nacks.due(0.0)) == FIRST_REQUESTS
    assert nacks.wake_ms() == 10.0
    assert nacks.due(9.0) == []


def test_a_usual_stream_earns_a_burst_of_requests() -> None:
    counts = ReceptionCounts()
    nacks = NackRequester(60.0, 20.0, counts)
    counts.packets = 1000
    nacks.add(0, 500, 0.0)
    assert len(nacks.due(0.0)) == MAX_NACKS
