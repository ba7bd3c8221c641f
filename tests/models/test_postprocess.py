"""Non-maximum suppression keeps the best boxes, as fractions of the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.models.boxes import MAX_BOXES, iou
from edge.models.letterbox import Letterbox
from edge.models.postprocess import postprocess

WHOLE = Letterbox(0, 0, 100, 100)


def _row(score: float, label: int, *corners: float) -> list[float]:
    return [score, label, *corners]


def _postprocess(*rows: list[float], at: Letterbox = WHOLE, nms_iou: float = 0.45) -> Any:
    array = np.array(rows, dtype=np.float32).reshape(-1, 6)
    return postprocess(array, at, score_threshold=0.25, nms_iou=nms_iou)


def test_of_overlapping_boxes_of_a_class_the_best_stays() -> None:
    boxes = _postprocess(
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
    assert _postprocess() == []
    assert _postprocess(_row(0.1, 0, 0, 0, 10, 10)) == []


def test_boxes_are_fractions_of_the_picture_in_its_padding() -> None:
    (box,) = _postprocess(_row(0.9, 1, 20, 60, 220, 90), at=Letterbox(0, 50, 200, 100))
    assert box[2:] == pytest.approx((0.1, 0.1, 1.0, 0.4))


def test_a_box_in_the_padding_alone_goes() -> None:
    assert _postprocess(_row(0.9, 1, 20, 10, 180, 45), at=Letterbox(0, 50, 200, 100)) == []


def test_a_crowd_is_cut_to_its_best() -> None:
    rows = [_row(0.3 + index / 1000, 0, index, 0, index + 0.5, 9) for index in range(300)]
    boxes = _postprocess(*rows, at=Letterbox(0, 0, 400, 10))
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
    at = Letterbox(0, 0, 200, 200)
    boxes = _postprocess(*rows, at=at)
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
