"""Key frame requests, probes of a lost tail, and missing packets given up."""

from __future__ import annotations

from edge.rtc.jitter.depacketizer import Payload
from edge.rtc.jitter.frames import Assembly
from edge.rtc.jitter.loss_recovery import (
    KEY_RUN,
    MAX_PROBED,
    NEVER,
    PLI_INTERVAL_MS,
    TAIL_MS,
    KeyframeRequester,
    TailLossProbe,
    give_up_inside,
    incomplete_tail,
)
from edge.rtc.jitter.nack import NackRequester
from edge.rtc.reception_stats import ReceptionCounts

RTT_MS, MAX_WAIT_MS = 20.0, 60.0


def _nacks(rtt_ms: float = RTT_MS) -> NackRequester:
    return NackRequester(MAX_WAIT_MS, rtt_ms, ReceptionCounts())


def _frame(
    first_ms: float = 0.0, *, keyframe: bool = False, packets: int = 0, finished: bool = False
) -> Assembly:
    frame = Assembly(3000, first_ms, first_ms, keyframe=keyframe, finished=finished)
    for number in range(packets):
        frame.packets[number] = Payload(b"x", False, False, False, False)
    return frame


class TestKeyframeRequester:
    def test_none_is_requested_unless_needed(self) -> None:
        keyframes = KeyframeRequester()
        assert keyframes.wake_ms([], _nacks(), 0.0) == NEVER
        assert not keyframes.due([], _nacks(), 0.0, 0.0)

    def test_the_first_at_once_the_next_after_an_interval(self) -> None:
        keyframes, nacks = KeyframeRequester(), _nacks()
        keyframes.needed = True
        assert keyframes.due([], nacks, 10.0, 10.0)
        assert not keyframes.due([], nacks, 100.0, 100.0)
        assert keyframes.wake_ms([], nacks, 100.0) == 10.0 + PLI_INTERVAL_MS
        assert keyframes.due([], nacks, 160.0, 160.0)

    def test_over_a_long_way_the_interval_is_two_round_trips(self) -> None:
        keyframes, nacks = KeyframeRequester(), _nacks(rtt_ms=200.0)
        keyframes.needed = True
        keyframes.due([], nacks, 0.0, 0.0)
        assert keyframes.wake_ms([], nacks, 0.0) == 400.0

    def test_one_that_arrives_is_awaited(self) -> None:
        keyframes, nacks = KeyframeRequester(), _nacks()
        keyframes.needed = True
        arriving = [_frame(50.0, keyframe=True), _frame(90.0)]
        assert not keyframes.due(arriving, nacks, 95.0, 95.0)
        assert keyframes.wake_ms(arriving, nacks, 95.0) == 50.0 + MAX_WAIT_MS
        assert keyframes.due(arriving, nacks, 95.0, 110.0)

    def test_a_silent_stream_is_not_asked_for_ever(self) -> None:
        keyframes, nacks = KeyframeRequester(), _nacks()
        keyframes.needed = True
        now_ms, requests = 0.0, 0
        while (wake_ms := keyframes.wake_ms([], nacks, 0.0)) < NEVER:
            now_ms = max(wake_ms, now_ms)
            requests += keyframes.due([], nacks, 0.0, now_ms)
        assert requests == 7  # in one second
        assert now_ms < 1000.0


class TestTailLossProbe:
    def test_nothing_is_probed_before_a_packet_came(self) -> None:
        assert TailLossProbe().wake_ms(None, -NEVER, _nacks()) == NEVER

    def test_a_frame_that_breaks_off_is_probed_after_a_silence(self) -> None:
        probe, nacks = TailLossProbe(), _nacks()
        tail = _frame(100.0, packets=2)
        for _ in range(100):
            probe.frame_completed(6)
        assert probe.wake_ms(tail, 100.0, nacks) == 100.0 + TAIL_MS
        assert probe.due(tail, 100.0, nacks, 41, 110.0) == range(0)
        assert probe.due(tail, 100.0, nacks, 41, 125.0) == range(42, 46)  # 6 in all

    def test_an_overdue_frame_is_probed_by_one_packet_then_by_all(self) -> None:
        probe, nacks = TailLossProbe(), _nacks()
        for number in range(50):
            probe.frame_began(40.0 * number)
            probe.frame_completed(3)
        overdue_ms = probe.wake_ms(None, 2000.0, nacks)
        assert overdue_ms == 2000.0 + 40.0 + TAIL_MS
        assert probe.due(None, 2000.0, nacks, 7, overdue_ms) == range(8, 9)
        retry_ms = probe.wake_ms(None, 2000.0, nacks)
        assert retry_ms == nacks.retry_ms(overdue_ms)
        assert probe.due(None, 2000.0, nacks, 7, retry_ms) == range(8, 11)

    def test_a_silence_is_probed_three_times(self) -> None:
        probe, nacks, tail = TailLossProbe(), _nacks(), _frame(0.0, packets=1)
        probes = 0
        while (wake_ms := probe.wake_ms(tail, 0.0, nacks)) < NEVER:
            probes += len(probe.due(tail, 0.0, nacks, 5, wake_ms)) > 0
        assert probes == 3
        probe.packet_arrived()
        assert probe.wake_ms(tail, 0.0, nacks) < NEVER

    def test_a_probe_is_bounded(self) -> None:
        probe, nacks, tail = TailLossProbe(), _nacks(), _frame(0.0, packets=1)
        for _ in range(100):
            probe.frame_completed(900)
        assert len(probe.due(tail, 0.0, nacks, 5, 1000.0)) == MAX_PROBED


def test_the_tail_is_the_highest_packets_frame_without_its_end() -> None:
    frame = _frame(packets=1)
    assert incomplete_tail({5: frame}, 5) is frame
    assert incomplete_tail({5: frame}, 6) is None
    assert incomplete_tail({5: None}, 5) is None  # padding
    frame.last = 5
    assert incomplete_tail({5: frame}, 5) is None
    assert incomplete_tail({5: _frame(finished=True)}, 5) is None


class TestGivingUpInside:
    def _owners(self, missing: range, *, finished: bool = True) -> dict[int, Assembly | None]:
        frame = _frame(finished=finished)
        return {missing.start - 1: frame, missing.stop: frame}

    def test_packets_inside_of_a_frame_given_up_are_given_up(self) -> None:
        nacks, missing = _nacks(), range(10, 12)
        nacks.add(10, 12, 0.0)
        owners = self._owners(missing)
        assert give_up_inside(10, nacks, owners)
        assert len(nacks) == 0
        assert owners[10] is None
        assert owners[11] is None

    def test_those_beside_a_frame_that_still_counts_are_not(self) -> None:
        nacks, missing = _nacks(), range(10, 12)
        nacks.add(10, 12, 0.0)
        assert not give_up_inside(10, nacks, self._owners(missing, finished=False))
        assert len(nacks) == 2

    def test_a_run_that_may_hold_a_key_frame_is_requested(self) -> None:
        nacks, missing = _nacks(), range(10, 10 + KEY_RUN)
        nacks.add(missing.start, missing.stop, 0.0)
        assert not give_up_inside(11, nacks, self._owners(missing))
        assert len(nacks) == KEY_RUN
