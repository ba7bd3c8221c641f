"""Measurement of accuracy: F1 and AP of detections in scaled and encoded pictures of clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Protocol

import av
import numpy as np

from edge.ipc.picture import Picture
from edge.models.boxes import F1, Box
from edge.profile.accuracy import AccuracyError, AccuracyProfile, AccuracyRow
from edge.profile.accuracy_file import load_accuracy_profile
from edge.profile.variant import Variant
from profiles.accuracy.average_precision import COCO_IOUS, average_precision
from profiles.accuracy.bootstrap import f1_interval
from profiles.accuracy.codecs import CODECS, JPEG, VIDEO, SentPictures, send

CONFIDENCE = 0.25  # least score of a box that counts for F1, and of the reference's boxes
LEAST_SCORE = 0.01  # of a box that counts for AP
SENT_LONG_SIDES = (128, 192, 256, 320, 416, 512, 608)
INPUT_LONG_SIDES = (128, 192, 256, 320, 416, 608)
KBPS = (60.0, 120.0, 250.0, 500.0, 1000.0, 2000.0)

_MAX_UPSCALING = 2.5  # input side over sent side: more enlarging gains nothing
_INFERENCE_COST = 12_000.0  # of an inference whatever its size, in pixels
_MIN_STEP = 1.15  # times the previous rate's bits: below, the encoder did not follow the rate


class BoxDetector(Protocol):
    """A detector, such as `edge.models.runtime.detector.Detector`."""

    def detect(
        self, pictures: Sequence[Picture], variant: Variant, *, score_threshold: float
    ) -> list[list[Box]]:
        """Each picture's boxes, best first."""


@dataclass(frozen=True, slots=True)
class EvaluationClip:
    """Pictures to measure on, and the indices of those that are evaluated.

    The others are encoded too, since a video codec depends on earlier frames. `truth` has a list of
    true boxes for each evaluated picture; it is empty without annotations.
    """

    name: str
    frames: Sequence[av.VideoFrame]
    fps: int
    evaluated: Sequence[int]
    about: str
    codecs: tuple[str, ...] = CODECS
    truth: Sequence[Sequence[Box]] = ()


@dataclass(frozen=True, slots=True)
class AccuracyTask:
    """A clip to be sent at one size with one codec, at each of the rates in ascending order."""

    clip: EvaluationClip
    codec: str
    sent_long_side: int
    kbps: tuple[float, ...]
    inputs: tuple[int, ...]

    @property
    def work(self) -> float:
        """The cost of all its rates, in input pixels."""
        return len(self.kbps) * self.cost(self.inputs)

    def cost(self, inputs: Sequence[int]) -> float:
        """The cost of one rate at these inputs: detection time is about linear in their pixels."""
        first = self.clip.frames[0]
        shape = min(first.width, first.height) / max(first.width, first.height)
        if self.codec == JPEG:
            shape = 1.0
        pixels = sum(shape * long_side * long_side + _INFERENCE_COST for long_side in inputs)
        return len(self.clip.evaluated) * pixels


@dataclass(slots=True)
class AccuracyMeasurement:
    """Measures `network` against `reference`, row by row.

    All of a task's work is reported, to `on_step(work, text)` when done or else to `on_skip(work)`.
    F1 counts boxes with a score of at least `confidence`, and takes the reference's with at least
    `reference_confidence` for true.
    """

    network: str
    detector: BoxDetector
    reference: Variant
    reference_detector: BoxDetector
    on_step: Callable[[float, str], None]
    on_skip: Callable[[float], None]
    confidence: float = CONFIDENCE
    reference_confidence: float = CONFIDENCE
    _references: dict[str, list[list[Box]]] = field(default_factory=dict)

    def rows(self, task: AccuracyTask, known: Sequence[AccuracyRow] = ()) -> Iterator[AccuracyRow]:
        """A task's rows, each once it is measured; rows in `known` are not measured again.

        Rates below the encoder's least, or beyond its need, yield no row.
        """
        clip = task.clip
        full = task.cost(task.inputs)
        before = 0.0  # bits a frame at the previous rate
        for kbps in task.kbps:
            row = next((row for row in known if _same(row, self.network, task, kbps)), None)
            inputs = [
                long_side for long_side in task.inputs if row is None or long_side not in row.f1
            ]
            if inputs:
                bps = 1000.0 * kbps
                sent = send(task.codec, clip.frames, task.sent_long_side, clip.fps, bps)
                bits = fmean(sent.bits[clip.evaluated[0] :])
                if row is None and bits <= before * _MIN_STEP:
                    inputs = []
                else:
                    row = self._row(task, kbps, bits, sent, inputs)
                    yield row
                    text = f"{clip.name}, {task.codec}, {task.sent_long_side} px"
                    text += f", {kbps:g} kbit/s" if kbps else ""
                    self.on_step(task.cost(inputs), text)
            self.on_skip(full - task.cost(inputs))
            before = before if row is None else row.bits

    def truth(self, clip: EvaluationClip) -> list[list[Box]]:
        """The reference's boxes in the original pictures."""
        found = self._references.get(clip.name)
        if found is None:
            found = []
            for index in clip.evaluated:
                picture = Picture.from_av(clip.frames[index])
                found += self.reference_detector.detect(
                    [picture], self.reference, score_threshold=self.reference_confidence
                )
            self._references[clip.name] = found
        return found

    def _row(
        self,
        task: AccuracyTask,
        kbps: float,
        bits: float,
        sent: SentPictures,
        inputs: Sequence[int],
    ) -> AccuracyRow:
        clip = task.clip
        truth = self.truth(clip)
        pictures = [sent.pictures[index] for index in clip.evaluated]
        row = AccuracyRow(
            network=self.network,
            clip=clip.name,
            codec=task.codec,
            sent_edge=task.sent_long_side,
            pixels=round(fmean(picture.width * picture.height for picture in pictures)),
            kbps=kbps,
            bits=round(bits, 1),
            f1={},
            ap={},
        )
        f1, ap, absolute, interval = {}, {}, {}, {}
        for long_side in inputs:
            variant = Variant(self.network, long_side)
            found = [
                self.detector.detect([picture], variant, score_threshold=LEAST_SCORE)[0]
                for picture in pictures
            ]
            counts = self._counts(found, truth)
            f1[long_side] = round(_f1(counts), 4)
            low, high = f1_interval(counts)
            interval[long_side] = (round(low, 4), round(high, 4))
            ap[long_side] = round(average_precision(found, truth), 4)
            if clip.truth:
                by_iou = [average_precision(found, clip.truth, each) for each in COCO_IOUS]
                absolute[long_side] = {
                    "f1": round(_f1(self._counts(found, clip.truth)), 4),
                    "ap50": round(by_iou[0], 4),
                    "ap": round(fmean(by_iou), 4),
                }
        return replace(row, f1=f1, ap=ap, absolute=absolute, f1_interval=interval)

    def _counts(self, found: Sequence[Sequence[Box]], truth: Sequence[Sequence[Box]]) -> list[F1]:
        """Of each picture."""
        counts = []
        for boxes, true in zip(found, truth, strict=True):
            count = F1()
            count.add([box for box in boxes if box[1] >= self.confidence], true)
            counts.append(count)
        return counts


def plan(
    clips: Sequence[EvaluationClip],
    codecs: Sequence[str],
    sent_long_sides: Sequence[int],
    inputs: Sequence[int],
    kbps: Sequence[float],
) -> list[AccuracyTask]:
    """The tasks, small sizes first. Pictures are never sent enlarged."""
    tasks = []
    for clip in clips:
        first = clip.frames[0]
        for sent_long_side in sorted(sent_long_sides):
            if sent_long_side > max(first.width, first.height):
                continue
            useful = tuple(
                long_side
                for long_side in sorted(inputs)
                if long_side <= _MAX_UPSCALING * sent_long_side
            )
            for codec in codecs:
                if codec in clip.codecs and useful:
                    rates = tuple(sorted(kbps)) if codec in VIDEO else (0.0,)
                    tasks.append(AccuracyTask(clip, codec, sent_long_side, rates, useful))
    return tasks


def merge(rows: Sequence[AccuracyRow], new: AccuracyRow) -> list[AccuracyRow]:
    """`rows` with `new` added; a row of the same key takes the new inputs as well."""
    merged = []
    for row in rows:
        if _key(row) == _key(new):
            new = replace(
                new,
                f1={**row.f1, **new.f1},
                ap={**row.ap, **new.ap},
                absolute={**row.absolute, **new.absolute},
                f1_interval={**row.f1_interval, **new.f1_interval},
            )
        else:
            merged.append(row)
    return [*merged, new]


def continued(path: Path, reference: str, clips: dict[str, str]) -> AccuracyProfile | None:
    """The profile in a file to continue; None if there is no file.

    Raises AccuracyError if it was measured against another reference or on other clips.
    """
    if not path.is_file():
        return None
    profile = load_accuracy_profile(path)
    if profile.reference != reference:
        raise AccuracyError(f"{path}: reference: {profile.reference}, now {reference}")
    for name, about in clips.items():
        if profile.clips.get(name, about) != about:
            raise AccuracyError(f"{path}: clips: {name}: {profile.clips[name]}, now {about}")
    return profile


def evaluated(count: int, fps: int, wanted: int) -> list[int]:
    """Indices of about `wanted` of `count` frames, evenly spread, from the second second on.

    By then the rate control has compensated for the large first frame. Of a shorter clip, the
    second half is evaluated.
    """
    first = min(fps, count // 2)
    return sorted({round(place) for place in np.linspace(first, count - 1, wanted).tolist()})


def _f1(counts: Sequence[F1]) -> float:
    matched, found, truth = (
        sum(getattr(count, name) for count in counts) for name in ("matched", "found", "truth")
    )
    return F1(matched, found, truth).value


def _key(row: AccuracyRow) -> tuple[str, str, str, int, float]:
    return row.network, row.clip, row.codec, row.sent_edge, row.kbps


def _same(row: AccuracyRow, network: str, task: AccuracyTask, kbps: float) -> bool:
    return _key(row) == (network, task.clip.name, task.codec, task.sent_long_side, kbps)
