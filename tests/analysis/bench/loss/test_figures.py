"""Figures of the loss benchmark."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from analysis.bench.loss.figures import LossFigures, quantiles, stall_ms

FIGURES = LossFigures(300, 299, 170.0, 30.0, 110.0, 9, 1, 12, 1, 1.1e6)


@pytest.mark.parametrize(
    ("decoded_ms", "expected"),
    [
        ([110.0, 150.0, 290.0], 140.0),
        ([250.0], 150.0),  # from the beginning
        ([110.0], 190.0),  # to the end
        ([], 200.0),
        ([50.0, 350.0], 200.0),  # outside
        ([290.0, 110.0, 150.0], 140.0),  # in any order
    ],
)
def test_a_stall_is_the_longest_time_without_a_decoded_frame(
    decoded_ms: list[float], expected: float
) -> None:
    assert stall_ms(decoded_ms, 100.0, 300.0) == expected


def test_quantiles_are_of_frames_in_both() -> None:
    encoded = {rtp: 10.0 * rtp for rtp in range(100)}
    done = {rtp: 10.0 * rtp + rtp for rtp in range(50)} | {1000: 5.0}
    assert quantiles(encoded, done) == (24.0, 49.0)
    assert all(math.isnan(value) for value in quantiles(encoded, {}))


def test_the_share_decoded_is_at_most_one() -> None:
    assert FIGURES.share == pytest.approx(299 / 300)
    assert replace(FIGURES, decoded=301).share == 1.0
    assert replace(FIGURES, captured=0, decoded=0).share == 0.0


def test_json_has_no_nan() -> None:
    values = replace(FIGURES, p50=math.nan).to_json()
    assert values["p50"] is None
    assert values["share"] == pytest.approx(299 / 300)
