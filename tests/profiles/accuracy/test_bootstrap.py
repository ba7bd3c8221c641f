"""The interval of an F1, from the pictures it was counted on."""

from __future__ import annotations

import numpy as np

from edge.models.boxes import F1
from profiles.accuracy.bootstrap import f1_interval, f1_loss_interval


def test_pictures_that_are_alike_leave_no_doubt() -> None:
    assert f1_interval([F1(1, 2, 2)] * 30) == (0.5, 0.5)
    assert f1_interval([F1()] * 5) == (1.0, 1.0)  # nothing to find, and nothing found


def test_more_pictures_make_it_narrower_and_it_is_the_same_each_time() -> None:
    mixed = [F1(2, 2, 2), F1(0, 2, 2), F1(1, 2, 2)]
    few, many = f1_interval(mixed * 4), f1_interval(mixed * 64)
    assert few[0] < many[0] < 0.5 < many[1] < few[1]
    assert f1_interval(mixed * 4) == few


def test_a_loss_is_drawn_in_pairs_so_that_hard_pictures_count_for_both() -> None:
    hard_and_easy = [F1(0, 2, 2), F1(2, 2, 2)] * 10
    assert f1_loss_interval(hard_and_easy, hard_and_easy) == (0.0, 0.0)
    worse = [F1(max(0, each.matched - 1), 2, 2) for each in hard_and_easy]
    low, high = f1_loss_interval(hard_and_easy, worse)
    assert 0.1 < low < 0.25 < high < 0.4


def test_it_holds_the_true_value_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        matched = random.binomial(4, 0.6, 40)
        low, high = f1_interval([F1(int(each), 4, 4) for each in matched])
        held += low <= 0.6 <= high
    assert 0.88 * 200 <= held <= 0.995 * 200
