"""Senders whose clocks are wrong, on a simulated clock: what the server believes of each frame."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rtc.clock.media_clock import MAX_WAIT_MS, MediaClock

LEAST_MS = 5.0  # of the network
Frame = tuple[float, float, float]  # captured, timestamp and time on the network, all in ms
Network = Callable[[random.Random], float]


def _steady(rng: random.Random) -> float:
    return LEAST_MS + rng.expovariate(1 / 3)


def _radio(rng: random.Random) -> float:
    return LEAST_MS + rng.gammavariate(2, 20)


def stream(
    count: int,
    fps: float = 15.0,
    stamped: float = 15.0,
    at_ms: float = 0.0,
    timestamp_ms: float = 0.0,
    *,
    network: Network = _steady,
) -> list[Frame]:
    """Frames that are captured `fps` times a second and counted as if `stamped` times."""
    rng = random.Random(count)
    return [
        (at_ms + 1000.0 * i / fps, timestamp_ms + 1000.0 * i / stamped, network(rng))
        for i in range(count)
    ]


def errors(frames: Iterable[Frame], base: int = 0xFFFFF000) -> list[tuple[float, float]]:
    """(captured, by how many ms its wait was taken for too long) of each frame of two packets."""
    clock, seen = MediaClock(32, 90.0), []
    for captured_ms, timestamp_ms, network_ms in frames:
        rtp = int(base + 90.0 * timestamp_ms) & 0xFFFFFFFF
        arrival_ms = captured_ms + network_ms
        clock.observe(rtp, False, arrival_ms)
        clock.observe(rtp, True, arrival_ms + 2.0)
        seen.append((captured_ms, clock.waited_ms(rtp, arrival_ms) - (network_ms - LEAST_MS)))
    return seen


def _wrong_after(frames: Iterable[Frame], from_ms: float, limit_ms: float = 40.0) -> list[float]:
    return [error for at_ms, error in errors(frames) if at_ms >= from_ms and abs(error) > limit_ms]


@pytest.mark.parametrize(
    ("fps", "stamped"),
    [
        (15.0, 15.0),
        (14.85, 15.0),
        (14.985, 15.0),
        (15.0, 15.015),
        (15.0, 14.85),
        (21.0, 25.0),
        (25.0, 21.0),
        (10.0, 15.0),
        (15.0, 10.0),
        (30.0, 15.0),
        (15.0, 22.5),
        (15.0, 1350.0),  # in milliseconds instead of ticks
    ],
)
def test_a_clock_of_another_rate_is_followed(fps: float, stamped: float) -> None:
    assert not _wrong_after(stream(int(90 * fps), fps, stamped), 500.0)


@pytest.mark.parametrize("step_ms", [-60.0, -300.0, -2000.0, -1e4, 60.0, 300.0, 2000.0, 1e6])
@pytest.mark.parametrize("stamped", [15.0, 15.15, 18.0])
def test_a_step_costs_less_than_a_second(step_ms: float, stamped: float) -> None:
    before = stream(150, 15.0, stamped)
    end_ms = 1000.0 * 150 / stamped
    after = stream(150, 15.0, stamped, 10_000.0, end_ms + step_ms)
    assert not _wrong_after(before + after, 10_900.0)
    assert not _wrong_after(before, 500.0)


@pytest.mark.parametrize("ticks", [1 << 31, (1 << 31) - 1, -(1 << 31), 1 << 30, 0xFFFFFFFF])
def test_a_jump_anywhere_costs_less_than_a_second(ticks: int) -> None:
    after = stream(150, at_ms=10_000.0, timestamp_ms=10_000.0 + ticks / 90.0)
    assert not _wrong_after(stream(150) + after, 10_900.0)


@pytest.mark.parametrize("pause_ms", [300.0, 1000.0, 2500.0, 5000.0, 60_000.0])
@pytest.mark.parametrize("counted", [0.0, 0.5, 1.0])
def test_a_pause_costs_no_frame_whatever_the_clock_did(pause_ms: float, counted: float) -> None:
    after = stream(150, at_ms=10_000.0 + pause_ms, timestamp_ms=10_000.0 + counted * pause_ms)
    assert not _wrong_after(stream(150) + after, 500.0)


def test_pauses_one_after_another_cost_no_frame() -> None:
    frames: list[Frame] = []
    for cycle in range(20):
        frames += stream(15, at_ms=1400.0 * cycle, timestamp_ms=1000.0 * cycle)
    assert not _wrong_after(frames, 500.0)


@pytest.mark.parametrize("fps", [12.5, 7.5])
def test_a_camera_that_slows_in_the_dark_is_followed(fps: float) -> None:
    after = stream(150, fps, 15.0, 10_000.0, 10_000.0)
    assert not _wrong_after(stream(150) + after, 11_100.0)


@pytest.mark.parametrize("kind", ["all zero", "in pairs", "random"])
def test_timestamps_that_say_nothing_are_not_believed(kind: str) -> None:
    rng = random.Random(1)
    stamp: Callable[[int], float] = {
        "all zero": lambda index: 0.0,
        "in pairs": lambda index: index // 2 * 133.4,
        "random": lambda index: rng.randrange(1 << 32) / 90.0,
    }[kind]
    frames = [(at_ms, stamp(i), ms) for i, (at_ms, _, ms) in enumerate(stream(300))]
    assert all(error < 1.0 for _, error in errors(frames))


@pytest.mark.parametrize("base", [0, 0x7FFFFFF0, 0xFFFFFFF0])
def test_it_wraps(base: int) -> None:
    assert all(abs(error) < 20.0 for _, error in errors(stream(300), base))


def test_a_radio_that_jitters_is_no_clock() -> None:
    for fps in (15.0, 30.0):
        assert not _wrong_after(stream(900, fps, fps, network=_radio), 1000.0, 50.0)


def test_a_queue_on_the_link_is_no_clock() -> None:
    """Three seconds of a link too slow by a fifth, and as long to work it off: no idle time."""
    clock, arrival_ms, waited = MediaClock(32, 90.0), 0.0, []
    for index in range(600):
        captured_ms = index * 1000.0 / 15.0
        carried_ms = 80.0 if 10_000.0 <= captured_ms < 13_000.0 else 12.0
        arrival_ms = max(arrival_ms, captured_ms + 5.0)
        for packet in range(8):
            clock.observe(90 * int(captured_ms), packet == 7, arrival_ms + packet * carried_ms / 8)
        if captured_ms >= 10_000.0:
            error_ms = clock.waited_ms(90 * int(captured_ms), arrival_ms) - (
                arrival_ms - captured_ms - 5.0
            )
            waited.append(abs(error_ms))
        arrival_ms += carried_ms
    assert max(waited) < 30.0


def test_an_outage_that_delivers_all_at_its_end_is_no_step() -> None:
    """The network stood still for 2 s: the frames that then come at once are old."""
    frames = []
    for at_ms, timestamp_ms, network_ms in stream(450):
        held_ms = max(0.0, 12_000.0 - at_ms) if 10_000.0 <= at_ms < 12_000.0 else 0.0
        frames.append((at_ms, timestamp_ms, max(network_ms, held_ms + 5.0 + 0.01 * at_ms / 1000)))
    wrong = _wrong_after(frames, 10_000.0)
    assert len(wrong) <= 30
    assert not _wrong_after(frames, 12_000.0)


def test_the_rate_is_told_only_where_it_is_known() -> None:
    clock = MediaClock(32, 90.0)
    for frame in range(900):
        clock.observe(frame * 6000, True, frame * 1000.0 / 14.85)
    assert clock.elapsed_ms(90_000, 1000.0) == pytest.approx(1000.0 * 15 / 14.85, rel=1e-3)
    assert clock.elapsed_ms(90_000, 60_000.0) == 1000.0
    assert MediaClock(32, 90.0).elapsed_ms(90_000, 0.0) == 1000.0


@given(st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.booleans(), st.floats(0.0, 1e5))))
def test_no_timestamps_make_a_wait_implausible(script: list[tuple[int, bool, float]]) -> None:
    clock, now_ms = MediaClock(32, 90.0), 1e6
    for timestamp, marker, step_ms in script:
        now_ms += step_ms
        clock.observe(timestamp, marker, now_ms)
        waited_ms = clock.waited_ms(timestamp, now_ms)
        assert 0.0 <= waited_ms <= MAX_WAIT_MS
        assert math.isfinite(clock.elapsed_ms(timestamp, step_ms))
