"""Photographs with annotations in COCO's format ("instances" JSON), as a clip with a truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import av
import cv2
import numpy as np

from edge.models.boxes import Box

CLIP = "coco"

_UNUSED = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}  # ids without a category
CLASS_OF_ID = {
    number: index for index, number in enumerate(n for n in range(1, 91) if n not in _UNUSED)
}
"""COCO's category ids to class indices: 80 classes in the order of the ids, as in Darknet."""


class AnnotationError(ValueError):
    """An annotation file that cannot be used; the message names file and field."""


@dataclass(frozen=True, slots=True)
class AnnotatedPhotographs:
    """Photographs and the true boxes in each (score 1, corners as fractions)."""

    paths: list[Path]
    truth: list[list[Box]]
    about: str


class Photographs(Sequence[av.VideoFrame]):
    """Photographs by index, each read on access: thousands need not fit into memory."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, index: int) -> av.VideoFrame: ...
    @overload
    def __getitem__(self, index: slice) -> Photographs: ...
    def __getitem__(self, index: int | slice) -> av.VideoFrame | Photographs:
        if isinstance(index, slice):
            return Photographs(self._paths[index])
        image = cv2.imread(str(self._paths[index]))
        if image is None:
            raise AnnotationError(f"{self._paths[index]}: not a photograph")
        pixels = np.asarray(image, dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels, format="bgr24")
        return frame.reformat(format="yuv420p")


def read(annotations: Path, images: Path, limit: int | None = None) -> AnnotatedPhotographs:
    """The first `limit` annotated photographs, by id, that lie in the folder `images`.

    Crowds (`iscrowd`) are left out of the truth. Raises AnnotationError naming file and field,
    OSError as open does.
    """
    try:
        data = json.loads(annotations.read_text())
    except ValueError as error:
        raise AnnotationError(f"{annotations}: not JSON: {error}") from error
    if not isinstance(data, dict):
        raise AnnotationError(f"{annotations}: must be an object")
    sizes: dict[int, tuple[str, int, int]] = {}
    for index, item in enumerate(_list(data, "images", annotations)):
        try:
            name, width, height = str(item["file_name"]), int(item["width"]), int(item["height"])
            sizes[int(item["id"])] = name, width, height
        except (KeyError, TypeError, ValueError) as error:
            raise AnnotationError(f"{annotations}: images[{index}]: {error!r}") from error
        if width < 1 or height < 1:
            raise AnnotationError(f"{annotations}: images[{index}]: width and height: positive")
    boxes: dict[int, list[Box]] = {number: [] for number in sizes}
    for index, item in enumerate(_list(data, "annotations", annotations)):
        try:
            if item.get("iscrowd"):
                continue
            number, label = int(item["image_id"]), CLASS_OF_ID[int(item["category_id"])]
            x, y, box_width, box_height = (float(side) for side in item["bbox"])
            _, width, height = sizes[number]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise AnnotationError(f"{annotations}: annotations[{index}]: {error!r}") from error
        corners = (x / width, y / height, (x + box_width) / width, (y + box_height) / height)
        boxes[number].append((label, 1.0, *corners))
    here = [number for number in sorted(sizes) if (images / sizes[number][0]).is_file()][:limit]
    if not here:
        raise AnnotationError(f"{images}: none of the photographs in {annotations} is there")
    count = sum(len(boxes[number]) for number in here)
    return AnnotatedPhotographs(
        [images / sizes[number][0] for number in here],
        [boxes[number] for number in here],
        f"{len(here)} photographs of {annotations.name} with {count} boxes",
    )


def _list(data: dict[str, Any], name: str, path: Path) -> list[Any]:
    value = data.get(name)
    if not isinstance(value, list):
        raise AnnotationError(f"{path}: {name}: must be a list")
    return value
