"""A result of the rate benchmark: JSON and promises."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from analysis.bench.rate.figures import RateFigures
from analysis.bench.rate.results import RateCell, RateResult, from_json, promises, to_json
from tests.analysis.bench.rate.results import FIGURES, LTE, OURS, STEP, THEIRS


def test_a_row_comes_back_from_json_as_it_was() -> None:
    text = json.dumps(to_json(OURS), allow_nan=False)
    assert from_json(json.loads(text)) == OURS


def verdicts(row: RateResult, *others: RateResult) -> list[bool | None]:
    return [promise.kept for promise in promises(row, [row, *others])]


def test_only_our_controller_has_promises() -> None:
    assert verdicts(THEIRS, OURS) == []


@pytest.mark.parametrize(("p50", "kept"), [(33.0, True), (33.1, False)])
def test_a_steady_links_median_is_bounded_by_its_frames_bits(p50: float, kept: bool) -> None:
    cell = RateCell("steady", "steady 2", 12.0, 4e6, 15)
    figures = replace(FIGURES, p50=p50, crossing_ms=20.0)
    assert verdicts(RateResult(cell, "receiver", figures, (0.0, 0.0))) == [kept]


GOOD_STEP = replace(FIGURES, step_worst=349.0, recovery_ms=400.0, used=0.8, start_bps=2.5e6)


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        (GOOD_STEP, [True, True, True]),
        (replace(GOOD_STEP, step_worst=350.0), [False, True, True]),
        (replace(GOOD_STEP, used=0.79), [True, False, True]),
        (replace(GOOD_STEP, start_bps=2.4e6), [True, True, False]),
        (replace(GOOD_STEP, step_worst=math.nan), [False, True, True]),
    ],
)
def test_a_step_is_judged_by_its_worst_frame_and_the_bitrate_around_it(
    changed: RateFigures, kept: list[bool]
) -> None:
    assert verdicts(RateResult(STEP, "receiver", changed, (0.0, 0.0))) == kept


@pytest.mark.parametrize(
    ("recovery_ms", "kept"), [(500.0, True), (501.0, False), (math.inf, False)]
)
def test_a_low_cap_recovers_within_half_a_second(recovery_ms: float, kept: bool) -> None:
    cell = replace(STEP, cap_bps=1.2e6)
    figures = replace(GOOD_STEP, step_worst=149.0, recovery_ms=recovery_ms)
    assert verdicts(RateResult(cell, "receiver", figures, (0.0, 0.0))) == [True, kept, True]


def test_on_traces_late_frames_and_bitrate_are_compared_with_the_others() -> None:
    assert verdicts(OURS) == []
    assert verdicts(OURS, THEIRS) == [True, True]  # 0.5 % against 10 % late
    plain = replace(THEIRS, controller="aiortc", figures=replace(FIGURES, bps=0.9e6))
    assert verdicts(OURS, plain) == [False]  # as many late frames
    fewer = replace(OURS, figures=replace(FIGURES, late_feasible=(0.0, 0.0, 0.0)))
    assert verdicts(fewer, plain) == [True]
    assert verdicts(OURS, replace(THEIRS, cell=replace(LTE, fps=30))) == []  # another cell
