"""The reference network's boxes in the original source frames: the truth for answers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping

from edge.base.directories import cache_dir
from edge.models.boxes import Box
from edge.profile.variant import LONG_SIDES, NumberFormat, Variant
from netem.footage.camera_file import Footage

REFERENCE = Variant("yolov4-tiny", LONG_SIDES[-1])
PRECISION: NumberFormat = "float32"
CONFIDENCE = 0.25  # least score of a box that counts, here and in answers

Truth = Mapping[int, list[Box]]
"""Boxes by source frame."""


def truth_of(footage: Footage, progress: Callable[[str], None] = lambda text: None) -> Truth:
    """The reference's boxes in each frame that the footage shows, cached."""
    path = cache_dir() / "references" / f"{REFERENCE.name}-{PRECISION}-{footage.key}.json"
    boxes_of: dict[int, list[Box]] = {}
    if path.is_file():
        stored = json.loads(path.read_text())
        boxes_of = {int(source): [_box(box) for box in boxes] for source, boxes in stored.items()}
    missing = set(footage.sources) - set(boxes_of)
    if missing:
        progress(f"{REFERENCE.name} detects in {len(missing)} frames of {footage.video.name} ...")
        boxes_of.update(_detect(footage, missing))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.part")
        partial.write_text(json.dumps(boxes_of))
        partial.replace(path)
    return boxes_of


def _detect(footage: Footage, sources: set[int]) -> dict[int, list[Box]]:
    from edge.models.runtime.opening import open_detector  # noqa: PLC0415  # may load torch

    detector = open_detector(REFERENCE.network, precision=PRECISION)
    found: dict[int, list[Box]] = {}
    for source, picture in footage.pictures():
        if source in sources and source not in found:
            [found[source]] = detector.detect([picture], REFERENCE, score_threshold=CONFIDENCE)
    return found


def _box(stored: list[float]) -> Box:
    index, *rest = stored
    score, x1, y1, x2, y2 = rest
    return int(index), score, x1, y1, x2, y2
