"""When frames were captured, by the camera's clock or by the quickest arrival."""

from __future__ import annotations

import pytest

from edge.publish.media.capture_times import WINDOW_MS, CaptureTimes

T_MS = 1_700_000_000_000.0  # the source's zero, as Unix time


def test_without_the_cameras_clock_the_quickest_arrival_counts() -> None:
    times = CaptureTimes()
    delays_ms = [40.0, 5.0, 90.0, 20.0]
    captured = [
        times.captured_ms(66.0 * n, T_MS + 66.0 * n + delay_ms)
        for n, delay_ms in enumerate(delays_ms)
    ]
    assert captured == [T_MS + 40.0, *(T_MS + 66.0 * n + 5.0 for n in (1, 2, 3))]
    assert times.source == "arrival"
    assert times.camera_delay_ms is None


@pytest.mark.parametrize(
    ("choice", "ahead_ms", "source"),
    [
        ("auto", -30.0, "camera"),
        ("auto", 0.0, "camera"),
        ("auto", -5_000.0, "arrival"),
        ("auto", 500.0, "arrival"),
        ("arrival", -30.0, "arrival"),
        ("camera", -5_000.0, "camera"),
    ],
)
def test_the_cameras_clock_counts_where_it_is_plausible(
    choice: str, ahead_ms: float, source: str
) -> None:
    times = CaptureTimes(choice)  # type: ignore[arg-type]
    times.captured_ms(0.0, T_MS)
    captured_ms = times.captured_ms(66.0, T_MS + 66.0, T_MS + 66.0 + ahead_ms)
    assert times.source == source
    assert times.camera_delay_ms == pytest.approx(-ahead_ms)
    assert captured_ms == pytest.approx(T_MS + 66.0 + (ahead_ms if source == "camera" else 0.0))


def test_the_cameras_clock_holds_for_frames_without_its_word() -> None:
    times = CaptureTimes()
    times.captured_ms(0.0, T_MS, T_MS - 30.0)
    assert times.captured_ms(66.0, T_MS + 166.0) == pytest.approx(T_MS + 36.0)


def test_a_capture_never_follows_its_arrival() -> None:
    times = CaptureTimes()
    assert times.captured_ms(0.0, T_MS, T_MS + 10.0) == T_MS


def test_a_source_that_starts_anew_is_measured_anew() -> None:
    times = CaptureTimes()
    times.captured_ms(100_000.0, T_MS, T_MS - 10.0)
    assert times.captured_ms(0.0, T_MS + 66.0) == T_MS + 66.0
    assert times.source == "arrival"


def test_after_a_restart_nothing_of_the_clock_before_counts() -> None:
    times = CaptureTimes()
    times.captured_ms(1000.0, T_MS, T_MS - 10.0)
    times.restart()  # its clock has stepped back by 0.3 s
    assert times.captured_ms(766.0, T_MS + 66.0) == T_MS + 66.0
    assert times.source == "arrival"


def test_a_drift_is_followed() -> None:
    times = CaptureTimes()
    for n in range(600):  # the source's clock is 1 % slow
        captured_ms = times.captured_ms(66.0 * n, T_MS + 66.66 * n)
    assert T_MS + 66.66 * 599 - captured_ms <= 0.0101 * WINDOW_MS
