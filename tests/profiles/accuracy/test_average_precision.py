"""Average precision against cases that can be reckoned by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.models.boxes import Box
from profiles.accuracy.average_precision import average_precision


def box(label: int, score: float, left: float, width: float = 0.1) -> Box:
    return label, score, left, 0.1, left + width, 0.2


TRUTH = [[box(0, 1.0, 0.1), box(0, 1.0, 0.5)], [box(1, 1.0, 0.3)]]


def test_the_truth_itself_is_perfect() -> None:
    assert average_precision(TRUTH, TRUTH) == pytest.approx(1.0)


def test_nothing_found_is_nothing() -> None:
    assert average_precision([[], []], TRUTH) == 0.0


def test_nothing_to_find_is_perfect() -> None:
    assert average_precision([[box(0, 0.9, 0.1)]], [[]]) == 1.0


def test_half_of_one_class() -> None:
    found: list[list[Box]] = [[box(0, 0.9, 0.1)], [box(1, 0.8, 0.3)]]
    half = 51 / 101  # recalls 0.00 to 0.50
    assert average_precision(found, TRUTH) == pytest.approx((half + 1.0) / 2)


def test_a_false_box_costs_by_its_rank() -> None:
    truth = [[box(0, 1.0, 0.1)]]
    before = average_precision([[box(0, 0.9, 0.7), box(0, 0.5, 0.1)]], truth)
    after = average_precision([[box(0, 0.3, 0.7), box(0, 0.5, 0.1)]], truth)
    assert before == pytest.approx(0.5)
    assert after == pytest.approx(1.0)


def test_a_second_box_on_the_same_object_is_false() -> None:
    truth = [[box(0, 1.0, 0.1), box(0, 1.0, 0.5)]]
    found = [[box(0, 0.9, 0.1), box(0, 0.8, 0.1), box(0, 0.7, 0.5)]]
    assert average_precision(found, truth) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_boxes_must_overlap_by_what_is_asked() -> None:
    truth = [[box(0, 1.0, 0.1)]]
    found = [[box(0, 0.9, 0.12)]]  # IoU 0.08 / 0.12
    assert average_precision(found, truth, 0.65) == pytest.approx(1.0)
    assert average_precision(found, truth, 0.70) == 0.0


boxes = st.lists(
    st.builds(box, st.integers(0, 2), st.floats(0.01, 1.0), st.floats(0.0, 0.9)), max_size=6
)


@given(st.lists(st.tuples(boxes, boxes), min_size=1, max_size=4))
def test_it_is_within_bounds_and_asking_for_more_overlap_never_helps(
    pictures: list[tuple[list[Box], list[Box]]],
) -> None:
    found, truth = [f for f, _ in pictures], [t for _, t in pictures]
    loose = average_precision(found, truth, 0.5)
    assert 0.0 <= average_precision(found, truth, 0.95) <= loose + 1e-9 <= 1.0 + 2e-9
