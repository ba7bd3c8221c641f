"""How detectors that decode their own boxes give them: told apart by their outputs' shapes.

Shapes are compared for inputs of two sizes: rows that belong to cells of the picture grow with it,
those of queries or of suppressed boxes do not. The layouts are those that these projects export:
Ultralytics YOLOv5 and v8 to v11, WongKinYiu's YOLOv7, THU-MIG's YOLOv10, and RT-DETR (Zhao et al.,
"DETRs Beat YOLOs on Real-time Object Detection", 2024) of Ultralytics, lyuwenyu and Hugging Face.
Modules of torchvision's kind give a dictionary a picture instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

SMALL_SIDE, LARGE_SIDE = 320, 640  # the inputs whose outputs are compared
CANDIDATES = 512  # a picture: the best boxes, before suppression

Floats = npt.NDArray[np.float32]


class Layout(StrEnum):
    """What the outputs hold, for a picture and C classes."""

    YOLOV5 = "yolov5"  # (N, 5 + C): centre, size, objectness, scores; YOLOv5 and v7
    YOLOV8 = "yolov8"  # (4 + C, N): centre, size, scores; YOLOv8, v9, v11
    END2END = "end2end"  # (N, 6): corners, score, class; suppressed in the graph, or YOLOv10
    YOLOV7_NMS = "yolov7-nms"  # rows of all pictures: picture, corners, class, score
    RTDETR = "rtdetr"  # (N, 4 + C): centre, size in fractions, scores; Ultralytics
    RTDETR_LABELS = "rtdetr-labels"  # labels (N), boxes (N, 4) as corners, scores (N)
    RTDETR_LOGITS = "rtdetr-logits"  # logits (N, C), boxes (N, 4): centre, size in fractions
    TORCHVISION = "torchvision"  # labels (N), boxes (N, 4) as corners, scores (N); no graph's

    @property
    def needs_suppression(self) -> bool:
        return self in (Layout.YOLOV5, Layout.YOLOV8)

    @property
    def is_letterboxed(self) -> bool:
        """Whether the picture keeps its shape, with grey around it; else it fills the input."""
        return self not in (Layout.RTDETR, Layout.RTDETR_LABELS, Layout.RTDETR_LOGITS)


class LayoutError(ValueError):
    """Outputs of another kind; the message says what they look like."""


Shape = tuple[int | None, ...]
"""None: depends on what is in the picture."""


@dataclass(frozen=True, slots=True)
class Output:
    """A graph's output: its shape for the smaller and the larger input, both of one picture."""

    name: str
    is_integer: bool
    small: Shape
    large: Shape

    @property
    def text(self) -> str:
        sides = ", ".join("?" if side is None else str(side) for side in self.large)
        return f"{self.name} ({sides})"


@dataclass(frozen=True, slots=True)
class Head:
    """A graph's layout, its number of classes (None: its outputs do not tell), and its outputs.

    `order` are the outputs' places: of labels, boxes, scores or of logits, boxes.
    """

    layout: Layout
    classes: int | None
    order: tuple[int, ...] = (0,)


def identify(outputs: Sequence[Output], cells: int) -> Head:
    """The head of a graph with these outputs; LayoutError for outputs of another kind.

    `cells`: the cells of strides 8, 16 and 32 in the larger input. Six fixed columns are taken for
    boxes that are suppressed already, though an RT-DETR of two classes has as many.
    """
    if len(outputs) == 1:
        return _single(outputs[0], cells)
    if all(len(output.large) == 5 or len(output.large) == 4 for output in outputs):
        raise LayoutError(
            f"{_listed(outputs)}: raw maps: export it with the decoding of boxes in the graph"
        )
    boxes = [
        place for place, each in enumerate(outputs) if len(each.large) == 3 and each.large[2] == 4
    ]
    if len(boxes) > 1:
        boxes = [place for place in boxes if "box" in outputs[place].name.lower()]
    others = [place for place in range(len(outputs)) if place not in boxes]
    if len(boxes) == 1 and len(others) == 2:
        labels = [place for place in others if outputs[place].is_integer]
        scores = [place for place in others if not outputs[place].is_integer]
        if len(labels) == len(scores) == 1 and all(len(outputs[x].large) == 2 for x in others):
            return Head(Layout.RTDETR_LABELS, None, (labels[0], boxes[0], scores[0]))
    if len(boxes) == 1 and len(others) == 1 and len(outputs[others[0]].large) == 3:
        return Head(Layout.RTDETR_LOGITS, outputs[others[0]].large[2], (others[0], boxes[0]))
    raise LayoutError(f"{_listed(outputs)}: not the outputs of a detector that is known here")


def _single(output: Output, cells: int) -> Head:
    shape = output.large
    if len(shape) == 2 and shape[1] == 7:
        return Head(Layout.YOLOV7_NMS, None)
    if len(shape) == 2:
        raise LayoutError(f"{output.text}: one row of scores, so this is a classifier")
    if len(shape) != 3:
        raise LayoutError(f"{output.text}: not the output of a detector that is known here")
    rows, columns = shape[1], shape[2]
    grows = [
        small != large or large in (cells, 3 * cells)
        for small, large in zip(output.small[1:], shape[1:], strict=True)
    ]
    if columns == 6 and (rows is None or not grows[0]):
        return Head(Layout.END2END, None)
    if rows is None or columns is None:
        raise LayoutError(f"{output.text}: not the output of a detector that is known here")
    if grows[1] and not grows[0] and rows > 4:
        return Head(Layout.YOLOV8, rows - 4)
    if grows[0] and not grows[1] and columns > 5:
        if rows == cells:
            raise LayoutError(
                f"{output.text}: one box a cell, as YOLOX and YOLOv6 have: export a YOLOv5, v7 or "
                "v8 layout"
            )
        return Head(Layout.YOLOV5, columns - 5)
    if not any(grows) and columns > 4:
        return Head(Layout.RTDETR, columns - 4)
    raise LayoutError(f"{output.text}: not the output of a detector that is known here")


def overridden(found: Head, layout: Layout, outputs: Sequence[Output]) -> Head:
    """The head of the layout that the model names, where shapes told another.

    LayoutError where the outputs can't be of that layout.
    """
    if len(outputs) != 1 or layout in (Layout.RTDETR_LABELS, Layout.RTDETR_LOGITS):
        raise LayoutError(f"layout = {layout}, but its outputs are those of {found.layout}")
    columns = outputs[0].large[1 if layout == Layout.YOLOV8 else 2]
    others = {Layout.YOLOV5: 5, Layout.YOLOV8: 4, Layout.RTDETR: 4}.get(layout)
    if others is None:
        return Head(layout, None)
    if columns is None or columns <= others:
        raise LayoutError(f"layout = {layout}, but its output is {outputs[0].text}")
    return Head(layout, columns - others)


def known_layouts() -> str:
    """Those of graphs, to be named in a message."""
    return ", ".join(each for each in Layout if each != Layout.TORCHVISION)


def candidates(
    head: Head, outputs: Sequence[npt.NDArray[Any]], picture: int, input_size: tuple[int, int]
) -> Floats:
    """(K, 6) rows of one picture of a batch, best first: score, class, x1, y1, x2, y2 in pixels.

    `input_size` is (width, height). K is at most `CANDIDATES`.
    """
    if head.layout == Layout.YOLOV7_NMS:
        rows = np.asarray(outputs[0], dtype=np.float32)
        return _best(rows[rows[:, 0] == picture][:, [6, 5, 1, 2, 3, 4]])
    arrays = [np.asarray(outputs[place][picture], dtype=np.float32) for place in head.order]
    width, height = input_size
    match head.layout:
        case Layout.YOLOV5:
            rows = arrays[0]
            labels = rows[:, 5:].argmax(axis=1)
            scores = rows[:, 4] * _at(rows[:, 5:], labels)
            boxes = _corners(rows[:, :4])
        case Layout.YOLOV8:
            rows = arrays[0].T
            labels = rows[:, 4:].argmax(axis=1)
            scores, boxes = _at(rows[:, 4:], labels), _corners(rows[:, :4])
        case Layout.END2END:
            boxes, scores, labels = arrays[0][:, :4], arrays[0][:, 4], arrays[0][:, 5]
        case Layout.RTDETR:
            rows = arrays[0]
            labels = rows[:, 4:].argmax(axis=1)
            scores = _at(rows[:, 4:], labels)
            boxes = _corners(rows[:, :4]) * (width, height, width, height)
        case Layout.RTDETR_LABELS | Layout.TORCHVISION:
            labels, boxes, scores = arrays
        case Layout.RTDETR_LOGITS:
            labels = arrays[0].argmax(axis=1)
            scores = 1.0 / (1.0 + np.exp(-_at(arrays[0], labels)))
            boxes = _corners(arrays[1]) * (width, height, width, height)
    return _best(np.hstack((scores[:, None], np.asarray(labels)[:, None], boxes)))


def _best(rows: npt.NDArray[Any]) -> Floats:
    scores = np.nan_to_num(rows[:, 0], nan=0.0)
    best = np.argsort(-scores, kind="stable")[:CANDIDATES]
    return np.asarray(rows[best], dtype=np.float32)


def _at(scores: Floats, labels: npt.NDArray[np.intp]) -> Floats:
    return np.asarray(np.take_along_axis(scores, labels[:, None], axis=1)[:, 0])


def _corners(rows: Floats) -> Floats:
    """Centre and size to corners."""
    centre, half = rows[:, :2], rows[:, 2:4] / 2
    return np.hstack((centre - half, centre + half))


def _listed(outputs: Sequence[Output]) -> str:
    return ", ".join(output.text for output in outputs)
