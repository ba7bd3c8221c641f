"""Intersection over union, matching and F1, on boxes small enough to reckon by hand."""

from __future__ import annotations

import pytest

from edge.models.boxes import F1, Box, iou, match


def box(label: int, score: float, left: float, width: float = 0.2) -> Box:
    return (label, score, left, 0.0, left + width, 0.5)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((0.0, 0.0, 2.0, 2.0), 1.0),
        ((1.0, 0.0, 3.0, 2.0), 1 / 3),
        ((1.0, 1.0, 3.0, 3.0), 1 / 7),
        ((2.0, 0.0, 4.0, 2.0), 0.0),  # a common edge is no overlap
        ((0.5, 0.5, 1.5, 1.5), 0.25),
    ],
)
def test_iou_is_the_common_area_over_the_joint_one(
    other: tuple[float, float, float, float], expected: float
) -> None:
    one = (0.0, 0.0, 2.0, 2.0)
    assert iou(one, other) == pytest.approx(expected)
    assert iou(other, one) == pytest.approx(expected)


def test_the_best_found_box_chooses_first_and_a_true_box_is_matched_once() -> None:
    weak, strong, truth = box(1, 0.4, 0.1), box(1, 0.9, 0.12), box(1, 1.0, 0.1)
    [(found, true, overlap)] = match([weak, strong], [truth])
    assert (found, true) == (strong, truth)
    assert overlap == pytest.approx(0.18 / 0.22)


def test_boxes_of_other_classes_or_too_far_away_do_not_match() -> None:
    assert match([box(1, 0.9, 0.1)], [box(2, 1.0, 0.1)]) == []
    assert match([box(1, 0.9, 0.1)], [box(1, 1.0, 0.2)]) == []  # an IoU of a third
    assert len(match([box(1, 0.9, 0.1)], [box(1, 1.0, 0.2)], min_iou=0.3)) == 1


def test_f1_counts_over_all_pictures() -> None:
    f1 = F1()
    assert f1.value == 1.0  # nothing to find
    f1.add([box(1, 0.9, 0.1), box(1, 0.8, 0.6)], [box(1, 1.0, 0.1)])
    assert f1.value == pytest.approx(2 / 3)
    f1.add([], [box(1, 1.0, 0.1), box(2, 1.0, 0.1)])
    assert f1.value == pytest.approx(2 * 1 / (2 + 3))
