"""Decoding equals a plain scalar reading of the YOLO layer's definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from edge.models.decode import CANDIDATES, decode
from edge.models.heads import Head
from edge.models.letterbox import Letterbox
from edge.models.postprocess import postprocess
from edge.models.yolov4 import YoloV4, YoloV4Tiny


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
    boxes = postprocess(rows, Letterbox(0, 0, 64, 64), score_threshold=0.5, nms_iou=0.5)
    assert any(box[0] == 0 and abs(box[1] - _sigmoid(9.0) ** 2) < 1e-5 for box in boxes)
    assert all(math.isfinite(value) for box in boxes for value in box)
    assert all(0 <= value <= 1 for box in boxes for value in box[1:])
