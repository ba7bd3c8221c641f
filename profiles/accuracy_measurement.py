"""What is still seen of a picture that was scaled and encoded: F1 and AP, measured on clips."""

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
from profiles.average_precision import COCO_IOUS, average_precision
from profiles.codecs import CODECS, JPEG, VIDEO, SentPictures, send

CONFIDENCE = 0.25  # of a box that counts for F1, and of the reference's boxes
LEAST_SCORE = 0.01  # of a box that counts for AP
SENT_LONG_SIDES = (128, 192, 256, 320, 416, 512, 608)
INPUT_LONG_SIDES = (128, 192, 256, 320, 416, 608)
KBPS = (60.0, 120.0, 250.0, 500.0, 1000.0, 2000.0)

_MOST_UPSCALING = 2.5  # input side by sent side: enlarging pays, but not without end
_AN_INFERENCE = 12_000.0  # what each costs whatever its size, in pixels
_NOTHING_NEW = 1.15  # times the bits of the rate before: the encoder can't, or needn't, change more


class BoxDetector(Protocol):
    """What finds boxes: `edge.models.detector.Detector`."""

    def detect(
        self, pictures: Sequence[Picture], variant: Variant, *, score_threshold: float
    ) -> list[list[Box]]:
        """Each picture's boxes, best first."""


@dataclass(frozen=True, slots=True)
class EvaluationClip:
    """Pictures to measure on, and which of them are looked at.

    The others are encoded too, since a video codec needs its past. `truth` has a list of true
    boxes for each picture looked at; empty: there are no annotations.
    """

    name: str
    frames: Sequence[av.VideoFrame]
    fps: int
    looked_at: Sequence[int]
    about: str
    codecs: tuple[str, ...] = CODECS
    truth: Sequence[Sequence[Box]] = ()


@dataclass(frozen=True, slots=True)
class AccuracyTask:
    """Material to be sent at one size with one codec, at each of the rates, the least first."""

    material: EvaluationClip
    codec: str
    sent_long_side: int
    kbps: tuple[float, ...]
    inputs: tuple[int, ...]

    @property
    def work(self) -> float:
        """Of all its rates, in input pixels."""
        return len(self.kbps) * self.cost(self.inputs)

    def cost(self, inputs: Sequence[int]) -> float:
        """Of one rate at these inputs: detection's time is about linear in their pixels."""
        first = self.material.frames[0]
        shape = min(first.width, first.height) / max(first.width, first.height)
        if self.codec == JPEG:
            shape = 1.0
        pixels = sum(shape * long_side * long_side + _AN_INFERENCE for long_side in inputs)
        return len(self.material.looked_at) * pixels


@dataclass(slots=True)
class AccuracyMeasurement:
    """The measurement: `network` against `reference`, row by row.

    Of a task's work, all comes to `on_step(work, text)` when done or to `on_skip(work)`.
    """

    network: str
    detector: BoxDetector
    reference: Variant
    reference_detector: BoxDetector
    on_step: Callable[[float, str], None]
    on_skip: Callable[[float], None]
    _references: dict[str, list[list[Box]]] = field(default_factory=dict)

    def rows(self, task: AccuracyTask, known: Sequence[AccuracyRow] = ()) -> Iterator[AccuracyRow]:
        """A task's rows, each once it is measured; what is in `known` is not measured again.

        Rates that the encoder can't go down to, or has no use for, make no row.
        """
        material = task.material
        full = task.cost(task.inputs)
        before = 0.0  # bits a frame at the rate before
        for kbps in task.kbps:
            row = next((row for row in known if _same(row, self.network, task, kbps)), None)
            inputs = [
                long_side for long_side in task.inputs if row is None or long_side not in row.f1
            ]
            if inputs:
                bps = 1000.0 * kbps
                sent = send(task.codec, material.frames, task.sent_long_side, material.fps, bps)
                bits = fmean(sent.bits[material.looked_at[0] :])
                if row is None and bits <= before * _NOTHING_NEW:
                    inputs = []
                else:
                    row = self._row(task, kbps, bits, sent, inputs)
                    yield row
                    text = f"{material.name}, {task.codec}, {task.sent_long_side} px"
                    text += f", {kbps:g} kbit/s" if kbps else ""
                    self.on_step(task.cost(inputs), text)
            self.on_skip(full - task.cost(inputs))
            before = before if row is None else row.bits

    def truth(self, material: EvaluationClip) -> list[list[Box]]:
        """What the reference finds in the untouched pictures."""
        found = self._references.get(material.name)
        if found is None:
            found = []
            for index in material.looked_at:
                picture = Picture.from_av(material.frames[index])
                found += self.reference_detector.detect(
                    [picture], self.reference, score_threshold=CONFIDENCE
                )
            self._references[material.name] = found
        return found

    def _row(
        self,
        task: AccuracyTask,
        kbps: float,
        bits: float,
        sent: SentPictures,
        inputs: Sequence[int],
    ) -> AccuracyRow:
        material = task.material
        truth = self.truth(material)
        pictures = [sent.pictures[index] for index in material.looked_at]
        row = AccuracyRow(
            network=self.network,
            clip=material.name,
            codec=task.codec,
            sent_edge=task.sent_long_side,
            pixels=round(fmean(picture.width * picture.height for picture in pictures)),
            kbps=kbps,
            bits=round(bits, 1),
            f1={},
            ap={},
        )
        f1, ap, absolute = {}, {}, {}
        for long_side in inputs:
            variant = Variant(self.network, long_side)
            found = [
                self.detector.detect([picture], variant, score_threshold=LEAST_SCORE)[0]
                for picture in pictures
            ]
            f1[long_side] = round(_f1(found, truth), 4)
            ap[long_side] = round(average_precision(found, truth), 4)
            if material.truth:
                by_iou = [average_precision(found, material.truth, each) for each in COCO_IOUS]
                absolute[long_side] = {
                    "f1": round(_f1(found, material.truth), 4),
                    "ap50": round(by_iou[0], 4),
                    "ap": round(fmean(by_iou), 4),
                }
        return replace(row, f1=f1, ap=ap, absolute=absolute)


def plan(
    materials: Sequence[EvaluationClip],
    codecs: Sequence[str],
    sent_long_sides: Sequence[int],
    inputs: Sequence[int],
    kbps: Sequence[float],
) -> list[AccuracyTask]:
    """What is to be measured, the small sizes first. Pictures are never sent enlarged."""
    tasks = []
    for material in materials:
        first = material.frames[0]
        for sent_long_side in sorted(sent_long_sides):
            if sent_long_side > max(first.width, first.height):
                continue
            useful = tuple(
                long_side
                for long_side in sorted(inputs)
                if long_side <= _MOST_UPSCALING * sent_long_side
            )
            for codec in codecs:
                if codec in material.codecs and useful:
                    rates = tuple(sorted(kbps)) if codec in VIDEO else (0.0,)
                    tasks.append(AccuracyTask(material, codec, sent_long_side, rates, useful))
    return tasks


def merge(rows: Sequence[AccuracyRow], new: AccuracyRow) -> list[AccuracyRow]:
    """`rows` with `new` added; of one that is there already, its inputs join the others'."""
    merged = []
    for row in rows:
        if _key(row) == _key(new):
            new = replace(
                new,
                f1={**row.f1, **new.f1},
                ap={**row.ap, **new.ap},
                absolute={**row.absolute, **new.absolute},
            )
        else:
            merged.append(row)
    return [*merged, new]


def continued(path: Path, reference: str, clips: dict[str, str]) -> AccuracyProfile | None:
    """What a file already holds; None if there is no file.

    Raises AccuracyError if that was measured against something else, so that rows can't be mixed.
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


def looked_at(count: int, fps: int, wanted: int) -> list[int]:
    """Indices of about `wanted` of `count` frames, evenly spread, from the second second on.

    By then the first frame, larger than all others, is paid for. A shorter clip has its second
    half looked at.
    """
    first = min(fps, count // 2)
    return sorted({round(place) for place in np.linspace(first, count - 1, wanted).tolist()})


def _f1(found: Sequence[Sequence[Box]], truth: Sequence[Sequence[Box]]) -> float:
    count = F1()
    for boxes, true in zip(found, truth, strict=True):
        count.add([box for box in boxes if box[1] >= CONFIDENCE], true)
    return count.value


def _key(row: AccuracyRow) -> tuple[str, str, str, int, float]:
    return row.network, row.clip, row.codec, row.sent_edge, row.kbps


def _same(row: AccuracyRow, network: str, task: AccuracyTask, kbps: float) -> bool:
    return _key(row) == (network, task.material.name, task.codec, task.sent_long_side, kbps)
