"""Figures of a stage of the ingest benchmark."""

from __future__ import annotations

import math

from analysis.bench.ingest.figures import MeasurementWindow, Stage, max_streams, stage


def test_frames_count_in_their_window_only_and_time_runs_from_the_last_packet() -> None:
    times = [(rtp, 100.0 * rtp, 100.0 * rtp + 5.0) for rtp in range(10)]
    pictures_ms = {rtp: 100.0 * rtp + 5.0 + rtp for rtp in range(10) if rtp != 4}
    found = stage(MeasurementWindow(1, 200.0, 800.0, 0.3), [(times, pictures_ms)])
    assert (found.streams, found.sent, found.decoded) == (1, 6, 5)  # 2 to 7, 4 was not decoded
    assert found.decoded_ms["p50"] == 5.0
    assert found.decoded_ms["p99"] == 7.0
    assert found.completed_ms["p99"] == 7.0 + 5.0 - 100.0  # since the next frame's first packet
    assert math.isclose(found.core, 0.5)
    assert math.isclose(found.cpu_ms, 50.0)


def _stage(streams: int, p99_ms: float, decoded: int = 100) -> Stage:
    times = {"p50": 1.0, "p90": 1.0, "p99": p99_ms}
    return Stage(streams, 100, decoded, times, {**times, "p99": 0.1}, 0.5, 1.0)


def test_a_stage_is_sustained_by_its_p99_and_by_its_decoded_frames() -> None:
    assert _stage(8, 9.9).is_sustained(10.0)
    assert not _stage(8, 10.0).is_sustained(10.0)
    assert not _stage(8, 1.0, decoded=98).is_sustained(10.0)
    assert _stage(8, 70.0).is_sustained(10.0, completed=True)


def test_the_most_streams_are_those_of_the_last_sustained_stage() -> None:
    stages = [_stage(8, 2.0), _stage(12, 11.0), _stage(12, 9.0), _stage(16, 12.0)]
    assert max_streams(stages, 10.0) == 12
    assert max_streams([_stage(8, 70.0)], 10.0) == 0
    assert not stage(MeasurementWindow(1, 0.0, 1.0, 0.0), []).sent
