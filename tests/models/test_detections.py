"""Decoding equals a plain scalar reading of the definition; suppression keeps the best."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge.models.decode import CANDIDATES, decode
from edge.models.detections import MAX_BOXES, select
from edge.models.f1 import iou
from edge.models.preprocess import Placement
from edge.models.yolov4 import Head, YoloV4, YoloV4Tiny

WHOLE = Placement(0, 0, 100, 100)


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def _scalar_decode(maps: list[Any], heads: tuple[Head, ...]) -> list[tuple[float, ...]]:
    """The YOLO layer's definition, a number at a time, for one picture."""
    boxes = []
    for raw, head in zip(maps, heads, strict=True):
        channels, height, width = raw.shape
        size = channels // 3
        for row in range(height):
            for column in range(width):
                for index, (anchor_width, anchor_height) in enumerate(head.anchors):
                    x, y, w, h, objectness, *classes = (
                        float(value)
                        for value in raw[index * size : (index + 1) * size, row, column]
                    )
                    label = max(range(len(classes)), key=classes.__getitem__)
                    stretch, shift = head.scale_xy, (head.scale_xy - 1) / 2
                    x = (column + _sigmoid(x) * stretch - shift) * head.stride
                    y = (row + _sigmoid(y) * stretch - shift) * head.stride
                    w, h = math.exp(w) * anchor_width, math.exp(h) * anchor_height
                    score = _sigmoid(objectness) * _sigmoid(classes[label])
                    boxes.append((score, label, x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    return sorted(boxes, key=lambda box: -box[0])


@pytest.mark.parametrize("heads", [YoloV4Tiny.heads, YoloV4.heads])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_decoding_is_the_definition(heads: tuple[Head, ...], layout: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(5)
    maps = tuple(
        torch.randn(
            2, 3 * (5 + 7), 64 // head.stride, 96 // head.stride, generator=generator
        ).contiguous(memory_format=layout)
        for head in heads
    )
    found = decode(maps, heads)
    for image in range(2):
        expected = _scalar_decode([raw[image] for raw in maps], heads)[: found.shape[1]]
        np.testing.assert_allclose(found[image].numpy(), expected, rtol=1e-4, atol=1e-3)


def test_candidates_are_the_best_and_bounded() -> None:
    maps = tuple(
        torch.randn(1, 255, 608 // head.stride, 608 // head.stride) for head in YoloV4.heads
    )
    found = decode(maps, YoloV4.heads)
    assert found.shape == (1, CANDIDATES, 6)
    scores = found[0, :, 0]
    assert (scores.diff() <= 0).all()


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_numbers_gone_wrong_cost_only_their_boxes(poison: float) -> None:
    heads = YoloV4Tiny.heads
    maps = tuple(torch.full((1, 255, 64 // head.stride, 64 // head.stride), -9.0) for head in heads)
    maps[0][0, :4, 0, 0] = 0.0
    maps[0][0, [4, 5], 0, 0] = 9.0  # one sound box: the first anchor of the first cell
    for channel in range(255):
        maps[0][0, channel, 1, 1] = poison
    maps[1][:, :4] = poison  # and places that are nowhere, of scores that are fine
    maps[1][:, 4:6] = 8.0
    rows = decode(maps, heads)[0].numpy()
    boxes = select(rows, Placement(0, 0, 64, 64), score_threshold=0.5, nms_iou=0.5)
    assert any(box[0] == 0 and abs(box[1] - _sigmoid(9.0) ** 2) < 1e-5 for box in boxes)
    assert all(math.isfinite(value) for box in boxes for value in box)
    assert all(0 <= value <= 1 for box in boxes for value in box[1:])


def _row(score: float, label: int, *corners: float) -> list[float]:
    return [score, label, *corners]


def _select(*rows: list[float], at: Placement = WHOLE, nms_iou: float = 0.45) -> Any:
    array = np.array(rows, dtype=np.float32).reshape(-1, 6)
    return select(array, at, score_threshold=0.25, nms_iou=nms_iou)


def test_of_overlapping_boxes_of_a_class_the_best_stays() -> None:
    boxes = _select(
        _row(0.6, 2, 12, 10, 52, 50),
        _row(0.9, 2, 10, 10, 50, 50),
        _row(0.7, 3, 10, 10, 50, 50),  # another class
        _row(0.5, 2, 60, 60, 90, 90),  # elsewhere
        _row(0.24, 2, 0, 60, 9, 90),  # too weak
    )
    assert [box[0] for box in boxes] == [2, 3, 2]
    assert [box[1] for box in boxes] == pytest.approx([0.9, 0.7, 0.5])
    assert boxes[0][2:] == pytest.approx((0.1, 0.1, 0.5, 0.5))


def test_nothing_found_is_an_empty_list() -> None:
    assert _select() == []
    assert _select(_row(0.1, 0, 0, 0, 10, 10)) == []


def test_boxes_are_fractions_of_the_picture_in_its_padding() -> None:
    (box,) = _select(_row(0.9, 1, 20, 60, 220, 90), at=Placement(0, 50, 200, 100))
    assert box[2:] == pytest.approx((0.1, 0.1, 1.0, 0.4))


def test_a_box_in_the_padding_alone_goes() -> None:
    assert _select(_row(0.9, 1, 20, 10, 180, 45), at=Placement(0, 50, 200, 100)) == []


def test_a_crowd_is_cut_to_its_best() -> None:
    rows = [_row(0.3 + index / 1000, 0, index, 0, index + 0.5, 9) for index in range(300)]
    boxes = _select(*rows, at=Placement(0, 0, 400, 10))
    expected = sorted((row[0] for row in rows), reverse=True)[:MAX_BOXES]
    assert [box[1] for box in boxes] == pytest.approx(expected)


_side = st.floats(0, 90)


@given(
    st.lists(
        st.tuples(
            st.floats(0.3, 1), st.integers(0, 3), _side, _side, st.floats(1, 60), st.floats(1, 60)
        ),
        max_size=30,
    )
)
def test_suppression_leaves_no_overlap_and_drops_nothing_alone(
    candidates: list[tuple[float, int, float, float, float, float]],
) -> None:
    rows = [_row(s, label, x, y, x + w, y + h) for s, label, x, y, w, h in candidates]
    at = Placement(0, 0, 200, 200)
    boxes = _select(*rows, at=at)
    assert [box[1] for box in boxes] == sorted((box[1] for box in boxes), reverse=True)
    for index, one in enumerate(boxes):
        for other in boxes[index + 1 :]:
            assert one[0] != other[0] or iou(one[2:], other[2:]) <= 0.45 + 1e-3
    for score, label, *corners in np.array(rows, dtype=np.float32).reshape(-1, 6).tolist():
        fractions = tuple(value / 200 for value in corners)
        assert any(
            box[0] == label
            and (box[1] >= score - 1e-6)
            and iou(box[2:], (fractions[0], fractions[1], fractions[2], fractions[3])) > 0.45 - 1e-3
            for box in boxes
        )
