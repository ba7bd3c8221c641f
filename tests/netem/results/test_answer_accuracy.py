"""Answers are judged: F1 against the reference, and the simulated accuracy."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edge.profile.accuracy_file import load_accuracy_profile
from netem.results.answer_accuracy import f1_of, judge
from netem.results.client_record import ClientRecord
from netem.results.rows import FrameRow
from tests.netem.results.test_run_folder import FRAME

ROOT = Path(__file__).parents[3]
PERSON = ("person", 0.9, 0.1, 0.1, 0.3, 0.5)
TRUTH = {17: [(0, 0.9, 0.1, 0.1, 0.3, 0.5), (2, 0.8, 0.5, 0.5, 0.9, 0.9)]}
CLASSES = {"person": 0, "bicycle": 1, "car": 2}


def frame(**more: object) -> FrameRow:
    return dataclasses.replace(FRAME, **more)  # type: ignore[arg-type]


def judged(
    *frames: tuple[FrameRow, list[tuple[object, ...]]], detects: bool = True
) -> ClientRecord:
    record = ClientRecord("s", list(frames))
    accuracy = load_accuracy_profile(ROOT / "profiles" / "accuracy-yolov4-tiny.json")
    judge(record, TRUTH, CLASSES, detects=detects, accuracy=accuracy, fps=15.0)
    return record


def test_f1_is_over_all_frames_and_one_not_in_time_detects_nothing() -> None:
    car_elsewhere = ("car", 0.7, 0.0, 0.0, 0.1, 0.1)
    weak = ("bicycle", 0.1, 0.2, 0.2, 0.4, 0.4)  # does not count
    record = judged(
        (frame(rtp=1), [PERSON, car_elsewhere, weak]),
        (frame(rtp=2, outcome="late"), [PERSON]),
    )
    rows = [row for row, _ in record.frames]
    assert [(row.truth, row.found, row.matched) for row in rows] == [(2, 2, 1), (2, 0, 0)]
    assert f1_of(rows) == pytest.approx(2 * 1 / (2 + 4))
    assert rows[0].f1_simulated > 0.2
    assert rows[1].f1_simulated == 0.0


def test_simulated_devices_detect_nothing_that_counts() -> None:
    record = judged((frame(found=None, matched=None), [PERSON]), detects=False)
    [row] = [row for row, _ in record.frames]
    assert (row.found, row.matched) == (None, None)
    assert f1_of([row]) is None
    assert row.f1_simulated > 0.2


def test_a_key_frames_bits_are_averaged_with_the_frames_before_it() -> None:
    small = [frame(rtp=number, captured_ms=60.0 * number, bytes=300) for number in range(10)]
    large = frame(rtp=99, captured_ms=600.0, bytes=30_000)
    rows = [row for row, _ in judged(*((row, []) for row in [*small, large])).frames]
    alone = [row for row, _ in judged((dataclasses.replace(large), [])).frames]
    assert rows[8].f1_simulated < rows[-1].f1_simulated < alone[0].f1_simulated
