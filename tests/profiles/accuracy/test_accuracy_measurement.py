"""The accuracy measurement: what is sent, what is left out, what is counted. Detection is made up:
its boxes say which size and how faithful a picture it was given."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.profile.accuracy import AccuracyError, AccuracyProfile, AccuracyRow
from edge.profile.accuracy_file import save_accuracy_profile
from edge.profile.variant import Variant
from profiles.accuracy.accuracy_measurement import (
    CONFIDENCE,
    LEAST_SCORE,
    AccuracyMeasurement,
    AccuracyTask,
    EvaluationClip,
    continued,
    evaluated,
    merge,
    plan,
)

TRUE: Box = (0, 0.9, 0.1, 0.1, 0.4, 0.4)
FALSE: Box = (0, 0.5, 0.6, 0.6, 0.9, 0.9)
WEAK: Box = (0, 0.1, 0.6, 0.6, 0.9, 0.9)
REFERENCE = Variant("yolov4-tiny", 608)


class FakeDetector:
    """Sees the true box always, and a false one, and a weak one, in small inputs."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int, str, float]] = []

    def detect(
        self, pictures: Sequence[Picture], variant: Variant, *, score_threshold: float
    ) -> list[list[Box]]:
        self.calls += [(p.width, p.height, variant.name, score_threshold) for p in pictures]
        boxes = [TRUE] if variant.long_side > 300 else [TRUE, FALSE, WEAK]
        return [boxes for _ in pictures]


@pytest.fixture(scope="module")
def clip() -> EvaluationClip:
    random = np.random.default_rng(0)
    ground = random.integers(0, 255, (27, 48, 3), np.uint8).repeat(10, 0).repeat(10, 1)
    frames = [
        av.VideoFrame.from_ndarray(np.roll(ground, 5 * index, 1), format="rgb24").reformat(
            format="yuv420p"
        )
        for index in range(10)
    ]
    return EvaluationClip("moving", frames, 5, (5, 9), "ten pictures")


def measurement(detector: FakeDetector) -> tuple[AccuracyMeasurement, list[float], list[float]]:
    """The measurement, the work done and the work skipped."""
    done: list[float] = []
    skipped: list[float] = []

    def step(work: float, _: str) -> None:
        done.append(work)

    return (
        AccuracyMeasurement("yolov4-tiny", detector, REFERENCE, detector, step, skipped.append),
        done,
        skipped,
    )


def test_boxes_are_counted_against_the_reference(clip: EvaluationClip) -> None:
    detector = FakeDetector()
    measure, *_ = measurement(detector)
    (row,) = measure.rows(AccuracyTask(clip, "jpeg90", 224, (0.0,), (128, 320)))
    assert row.f1 == {128: pytest.approx(2 / 3, abs=1e-4), 320: 1.0}  # WEAK is below 0.25
    assert row.ap == {128: 1.0, 320: 1.0}  # the true box ranks first
    assert (row.sent_edge, row.pixels, row.kbps, row.clip) == (224, 224 * 224, 0.0, "moving")
    assert row.bits > 50_000
    assert row.absolute == {}
    assert row.f1_interval == {128: (row.f1[128], row.f1[128]), 320: (1.0, 1.0)}  # all are alike
    assert detector.calls == [
        *[(480, 270, "yolov4-tiny-608", CONFIDENCE)] * 2,  # untouched
        *[(224, 224, "yolov4-tiny-128", LEAST_SCORE)] * 2,
        *[(224, 224, "yolov4-tiny-320", LEAST_SCORE)] * 2,
    ]


def test_the_reference_looks_once(clip: EvaluationClip) -> None:
    detector = FakeDetector()
    measure, *_ = measurement(detector)
    for long_side in (128, 224):
        list(measure.rows(AccuracyTask(clip, "none", long_side, (0.0,), (128,))))
    assert sum(name == REFERENCE.name for _, _, name, _ in detector.calls) == 2


def test_rates_that_the_encoder_can_t_use_make_no_row(clip: EvaluationClip) -> None:
    measure, done, skipped = measurement(FakeDetector())
    rates = (1.0, 2.0, 80.0, 50_000.0, 60_000.0, 70_000.0)
    task = AccuracyTask(clip, "vp8", 128, rates, (128,))
    rows = list(measure.rows(task))
    assert [row.kbps for row in rows] == [1.0, 80.0, 50_000.0]
    assert rows[0].bits < rows[1].bits < rows[2].bits
    assert sum(done) == pytest.approx(task.work / 2)
    assert sum(skipped) == pytest.approx(task.work / 2)


def test_what_is_known_is_not_measured_again(clip: EvaluationClip) -> None:
    detector = FakeDetector()
    measure, done, skipped = measurement(detector)
    task = AccuracyTask(clip, "vp8", 128, (50.0, 200.0), (128,))
    known = list(measure.rows(task))
    assert sum(done) == pytest.approx(task.work)
    detector.calls.clear()
    done.clear()
    assert list(measure.rows(task, known)) == []
    assert detector.calls == []
    assert done == []
    assert sum(skipped) == pytest.approx(task.work)


def test_of_a_known_row_only_the_missing_inputs_are_measured(clip: EvaluationClip) -> None:
    measure, *_ = measurement(FakeDetector())
    (old,) = measure.rows(AccuracyTask(clip, "none", 224, (0.0,), (128,)))
    (new,) = measure.rows(AccuracyTask(clip, "none", 224, (0.0,), (128, 320)), [old])
    assert set(new.f1) == {320}
    assert [set(row.f1) for row in merge([old], new)] == [{128, 320}]


def test_annotations_are_counted_apart(clip: EvaluationClip) -> None:
    measure, *_ = measurement(FakeDetector())
    other: Box = (3, 1.0, 0.2, 0.2, 0.5, 0.5)
    annotated = replace(clip, truth=[[TRUE], [TRUE, other]])
    (row,) = measure.rows(AccuracyTask(annotated, "none", 224, (0.0,), (320,)))
    assert row.f1 == {320: 1.0}
    assert row.absolute[320]["f1"] == pytest.approx(2 * 2 / (2 + 3))
    assert row.absolute[320]["ap50"] == row.absolute[320]["ap"] == pytest.approx(0.5)


def test_the_plan_enlarges_nothing_to_send_and_little_to_look_at(clip: EvaluationClip) -> None:
    tasks = plan([clip], ("vp8", "none"), (608, 128, 416), (608, 128, 320), (500.0, 100.0))
    assert [(task.sent_long_side, task.codec) for task in tasks] == [
        (128, "vp8"), (128, "none"), (416, "vp8"), (416, "none"),
    ]  # fmt: skip
    assert tasks[0].inputs == (128, 320)
    assert tasks[2].inputs == (128, 320, 608)
    assert (tasks[0].kbps, tasks[1].kbps) == ((100.0, 500.0), (0.0,))
    stills = replace(clip, codecs=("none",))
    assert [task.codec for task in plan([stills], ("vp8", "none"), (128,), (128,), (1.0,))] == [
        "none"
    ]


@pytest.mark.parametrize(
    ("count", "fps", "wanted", "first", "most"),
    [(150, 15, 36, 15, 36), (20, 15, 36, 10, 10), (1, 15, 36, 0, 1), (250, 25, 1, 25, 1)],
)
def test_the_frames_looked_at_are_spread_beyond_the_first_second(
    count: int, fps: int, wanted: int, first: int, most: int
) -> None:
    chosen = evaluated(count, fps, wanted)
    assert chosen == sorted(set(chosen))
    assert chosen[0] == first
    assert len(chosen) == most
    assert most == 1 or chosen[-1] == count - 1


class TestContinuing:
    def saved(self, path: Path) -> Path:
        row = AccuracyRow("yolov4-tiny", "a", "vp8", 128, 9000, 100.0, 5e3, {128: 0.5}, {128: 0.5})
        save_accuracy_profile(
            AccuracyProfile([row], reference="yolov4-tiny-608", clips={"a": "a clip"}), path
        )
        return path

    def test_no_file_is_a_beginning(self, tmp_path: Path) -> None:
        assert continued(tmp_path / "a.json", "yolov4-tiny-608", {}) is None

    def test_other_clips_may_join(self, tmp_path: Path) -> None:
        path = self.saved(tmp_path / "a.json")
        before = continued(path, "yolov4-tiny-608", {"a": "a clip", "b": "another"})
        assert before is not None
        assert len(before.rows) == 1

    @pytest.mark.parametrize(
        ("reference", "clips", "message"),
        [
            ("yolov4-608", {}, "reference: yolov4-tiny-608, now yolov4-608"),
            ("yolov4-tiny-608", {"a": "changed"}, "clips: a: a clip, now changed"),
        ],
    )
    def test_what_was_measured_otherwise_is_not_mixed(
        self, tmp_path: Path, reference: str, clips: dict[str, str], message: str
    ) -> None:
        with pytest.raises(AccuracyError, match=message):
            continued(self.saved(tmp_path / "a.json"), reference, clips)
