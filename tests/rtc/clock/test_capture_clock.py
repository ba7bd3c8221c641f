"""Capture times from each source, and what wrong values cost."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rtc.clock.capture_clock import MAX_AGE_MS, CaptureClock
from edge.rtc.rtp import unix_ms_to_ntp

PAGE_MS = 1.7e12  # the page's clock when the server's shows zero
OFFSET_MS = -PAGE_MS


def _ntp(server_ms: float) -> int:
    """What the page's clock shows, as NTP, when the server's shows `server_ms`."""
    return unix_ms_to_ntp(server_ms + PAGE_MS)


def _synchronised(rtt_ms: float = 8.0) -> CaptureClock:
    clock = CaptureClock()
    clock.observe_ping(PAGE_MS + 100.0, 100.0 + rtt_ms / 2)
    clock.set_offset(OFFSET_MS, rtt_ms)
    return clock


def test_capture_timestamps_come_first_and_reach_to_later_frames() -> None:
    clock = _synchronised()
    clock.observe_capture(9000, _ntp(1000.0), 1010.0)
    clock.observe_report(9000, _ntp(1003.0), 1010.0)  # a little off, and not asked
    for frame in range(20):
        captured_ms, source = clock.captured_ms(9000 + frame * 6000, 1012.0 + frame * 6000 / 90)
        assert source == "capture"
        assert captured_ms == pytest.approx(1000.0 + frame * 6000 / 90, abs=0.01)


def test_sender_reports_serve_where_no_capture_time_is_sent() -> None:
    clock = _synchronised()
    clock.observe_report(0xFFFFFF00, _ntp(1000.0), 1010.0)
    captured_ms, source = clock.captured_ms((0xFFFFFF00 + 9000) & 0xFFFFFFFF, 1130.0)
    assert source == "report"
    assert captured_ms == pytest.approx(1100.0, abs=0.01)


def test_without_a_clock_the_fastest_frame_sets_the_measure() -> None:
    clock = CaptureClock()
    for frame, delay_ms in enumerate((25.0, 5.0, 45.0)):
        clock.observe_arrival(frame * 9000, frame * 100.0 + delay_ms)
    captured_ms, source = clock.captured_ms(18000, 245.0)
    assert captured_ms == pytest.approx(205.0)
    assert source == "delay"
    clock = CaptureClock()
    clock.observe_arrival(0, 50.0)
    assert clock.captured_ms(0, 50.0) == (50.0, "delay")


def test_half_a_round_trip_is_taken_off_the_least_delay() -> None:
    clock = CaptureClock()
    clock.set_offset(OFFSET_MS, 10.0)
    clock.observe_arrival(0, 50.0)
    assert clock.captured_ms(0, 50.0) == (45.0, "delay")


def test_a_page_cannot_tell_an_offset_that_its_pings_contradict() -> None:
    clock = _synchronised(rtt_ms=8.0)  # the ping took 4 ms, so the offset's bounds are known
    for told_ms, believed_ms in ((-1e6, -4.0), (-2.0, -2.0), (0.0, 0.0), (3.0, 3.0), (1e6, 4.0)):
        clock.set_offset(OFFSET_MS + told_ms, 8.0)
        assert clock.offset_ms == pytest.approx(OFFSET_MS + believed_ms, abs=0.01)


def test_pings_alone_bound_the_offset() -> None:
    clock = CaptureClock()
    for way_ms in (20.0, 3.0, 9.0):
        clock.observe_ping(PAGE_MS + 100.0, 100.0 + way_ms)
    assert clock.offset_ms == pytest.approx(OFFSET_MS + 3.0, abs=0.01)


@pytest.mark.parametrize("wrong_ms", [-6000.0, 40.0, 1e9])
def test_an_implausible_source_gives_way_to_the_next(wrong_ms: float) -> None:
    clock = _synchronised()
    clock.observe_arrival(9000, 1010.0)
    clock.observe_capture(9000, _ntp(1000.0 + wrong_ms), 1010.0)
    clock.observe_report(9000, _ntp(1001.0), 1010.0)
    captured_ms, source = clock.captured_ms(9000, 1010.0)
    assert captured_ms == pytest.approx(1001.0, abs=0.01)
    assert source == "report"
    clock = _synchronised()
    clock.observe_report(9000, _ntp(1000.0 + wrong_ms), 1010.0)
    assert clock.captured_ms(9000, 1010.0)[1] == "delay"


def test_old_news_and_empty_reports_are_not_used() -> None:
    clock = _synchronised()
    clock.observe_report(0, _ntp(1000.0), 1005.0)
    clock.observe_arrival(1_440_000, 17_010.0)
    assert clock.captured_ms(1_440_000, 17_010.0)[1] == "delay"
    clock = _synchronised()
    clock.observe_report(0, 90, 0.0)
    clock.observe_arrival(0, 5.0)
    assert clock.captured_ms(0, 5.0)[1] == "delay"


def test_a_drifting_sender_is_followed() -> None:
    clock = CaptureClock()
    for frame in range(3000):  # 200 s; the sender's clock gains 200 ppm
        sent_ms = frame * 66.0
        rtp = int(sent_ms * 90.0 * 1.0002)
        clock.observe_arrival(rtp, sent_ms + 10.0)
    captured_ms, _ = clock.captured_ms(rtp, sent_ms + 30.0)
    assert sent_ms <= captured_ms <= sent_ms + 20.0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ping", "offset", "capture", "report", "arrival"]),
            st.integers(0, 0xFFFFFFFF),
            st.integers(0, (1 << 64) - 1),
            st.floats(-1e15, 1e15),
            st.floats(0, 1e6),
        ),
        max_size=40,
    ),
    st.integers(0, 0xFFFFFFFF),
)
def test_no_values_make_a_capture_time_implausible(
    script: list[tuple[str, int, int, float, float]], rtp: int
) -> None:
    clock = CaptureClock()
    now_ms = 1e6
    for kind, timestamp, ntp, number, step_ms in script:
        now_ms += step_ms
        match kind:
            case "ping":
                clock.observe_ping(number, now_ms)
            case "offset":
                clock.set_offset(number, number)
            case "capture":
                clock.observe_capture(timestamp, ntp, now_ms)
            case "report":
                clock.observe_report(timestamp, ntp, now_ms)
            case _:
                clock.observe_arrival(timestamp, now_ms)
    captured_ms, _ = clock.captured_ms(rtp, now_ms)
    assert math.isfinite(captured_ms)
    assert now_ms - MAX_AGE_MS <= captured_ms <= now_ms


def test_another_source_starts_over_with_the_same_page_clock() -> None:
    clock = _synchronised()
    clock.observe_capture(9000, _ntp(1000.0), 1010.0)
    clock.observe_report(9000, _ntp(1000.0), 1010.0)
    clock.observe_arrival(9000, 1010.0)
    offset_ms = clock.offset_ms
    clock.restart()
    assert (clock.offset_ms, clock.rtt_ms) == (offset_ms, 8.0)
    assert clock.captured_ms(9000, 1012.0) == (1008.0, "delay")  # nothing is known of its RTP
    clock.observe_arrival(5_000_000, 1020.0)
    assert clock.captured_ms(5_000_000, 1020.0) == (1016.0, "delay")  # half a round trip before
    clock.observe_report(5_000_000, _ntp(1014.0), 1021.0)
    captured_ms, source = clock.captured_ms(5_000_000, 1020.0)
    assert source == "report"
    assert captured_ms == pytest.approx(1014.0, abs=0.01)


def test_a_wrong_wall_clock_is_not_believed() -> None:
    """Sender reports that put all frames 3 s back, over a round trip of 8 ms."""
    clock = _synchronised()
    for frame in range(45):
        arrival_ms = 1000.0 + frame * 66.0
        clock.observe_arrival(frame * 5940, arrival_ms)
        clock.observe_report(frame * 5940, _ntp(arrival_ms - 3000.0), arrival_ms)
        assert clock.captured_ms(frame * 5940, arrival_ms) == (arrival_ms - 4.0, "delay")


def test_a_report_that_contradicts_the_one_before_is_used_once_another_confirms_it() -> None:
    clock = _synchronised()
    clock.observe_arrival(9000, 1010.0)
    clock.observe_report(9000, _ntp(1000.0), 1010.0)
    clock.observe_report(18_000, _ntp(1400.0), 1110.0)
    assert clock.captured_ms(18_000, 1110.0)[0] == pytest.approx(1100.0, abs=0.01)
    clock.observe_report(27_000, _ntp(900.0), 1210.0)
    assert clock.captured_ms(27_000, 1210.0)[0] == pytest.approx(1200.0, abs=0.01)
    clock.observe_report(36_000, _ntp(1002.0), 1310.0)  # the sender's clock was set
    clock.observe_report(45_000, _ntp(1102.0), 1410.0)
    assert clock.captured_ms(45_000, 1410.0)[0] == pytest.approx(1102.0, abs=0.01)


def test_pairings_from_before_a_step_are_not_used_after_it() -> None:
    clock = _synchronised()
    for frame in range(60):
        clock.observe_arrival(frame * 6000, 1000.0 + frame * 66.7)
    clock.observe_report(59 * 6000, _ntp(1000.0 + 59 * 66.7 - 6.0), 1000.0 + 59 * 66.7)
    assert clock.captured_ms(59 * 6000, 1000.0 + 59 * 66.7)[1] == "report"
    clock.observe_arrival(62 * 6000 + 180_000, 1000.0 + 62 * 66.7)  # 2 s forward
    assert clock.captured_ms(62 * 6000 + 180_000, 1000.0 + 62 * 66.7)[1] == "delay"
