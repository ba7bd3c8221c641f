"""The cells of the rate benchmark, and the figures that only some kinds of cell have."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from analysis.bench.rate import command, measurement
from analysis.bench.rate.figures import FrameTiming
from analysis.bench.rate.measurement import LEAD_MS, STEP_MS, cells_of
from analysis.bench.rate.results import RateCell
from traces import constant


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    command.add_arguments(parser)
    return parser.parse_args(arguments)


def test_cells_are_every_kind_at_every_cap_and_frame_rate() -> None:
    cells = [cell for cell, _ in cells_of(options(), command.KINDS)]
    assert [cell.label for cell in cells if cell.kind == "steady"] == [
        "steady 2, 15/s, cap 4", "steady 8, 15/s, cap 4", "steady 20, 15/s, cap 4",
    ]  # fmt: skip
    steps = [(cell.cap_bps, cell.fps) for cell in cells if cell.kind == "steps"]
    assert steps == [(1.2e6, 15), (1.2e6, 30), (4e6, 15), (4e6, 30)]
    traces = [(cell.name, cell.cap_bps) for cell in cells if cell.kind == "traces"]
    assert len(traces) == 6
    assert len({name for name, _ in traces}) == 3


def test_options_choose_among_cells() -> None:
    chosen = options("--caps", "2", "--fps", "10", "--seconds", "5", "--grain", "8")
    cells = list(cells_of(chosen, ["steady", "steps"]))
    assert {(cell.cap_bps, cell.fps, cell.grain) for cell, _ in cells} == {(2e6, 10, 8.0)}
    assert [cell.seconds for cell, _ in cells] == [5.0, 5.0, 5.0, 30.0]
    step = cells[-1][1]
    rates = [step.rate_at(LEAD_MS + part * STEP_MS) for part in (0.5, 1.5, 2.5)]
    assert rates == [8e6, 1e6, 8e6]


@pytest.mark.parametrize("text", ["a", "1,,2", "0", "500"])
def test_caps_that_are_no_numbers_of_megabits_are_bad_usage(text: str) -> None:
    with pytest.raises(SystemExit):
        options("--caps", text)


def frames(network_ms: float = 20.0) -> list[FrameTiming]:
    """Ten frames a second for 30 s from the lead on; 10 kbit each, but 5 after the step down."""
    made = []
    for number in range(300):
        at_ms = LEAD_MS + 100.0 * number
        down = LEAD_MS + STEP_MS <= at_ms < LEAD_MS + 2 * STEP_MS
        made.append(FrameTiming(at_ms, 5_000.0 if down else 10_000.0, network_ms))
    return made


def test_a_steady_cell_has_the_time_of_an_ordinary_frames_bits() -> None:
    cell = RateCell("steady", "steady 2", 30.0, 4e6, 10)
    found = measurement._figures(cell, constant(2e6), frames())
    assert found.crossing_ms == pytest.approx(5.0)
    assert found.frames == 300 - 41  # those of the first four seconds do not count


def test_a_step_has_its_worst_frame_and_the_bitrate_after_it() -> None:
    cell = RateCell("steps", "8-1-8", 30.0, 4e6, 10)
    timings = frames()
    slow = next(i for i, frame in enumerate(timings) if frame.at_ms >= LEAD_MS + STEP_MS)
    timings[slow] = FrameTiming(timings[slow].at_ms, 5_000.0, 240.0)
    found = measurement._figures(cell, constant(8e6), timings)
    assert found.step_worst == 240.0
    assert found.recovery_ms == 100.0
    assert found.used == pytest.approx(1.0)
    assert found.start_bps == pytest.approx(100e3)
