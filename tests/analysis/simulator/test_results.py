"""A run's result, and results as CSV."""

import csv
import io
from dataclasses import fields

import pytest

from analysis.simulator.components.frame import SimulatedFrame
from analysis.simulator.results import COLUMNS, RunResult, row_of, write_csv
from tests.analysis.simulator.experiment import run


@pytest.fixture
def row() -> RunResult:
    made = run("smallest", seconds=2)
    tally = made.tally
    for outcome, count, infeasible in (
        ("in_time", 16, False), ("late", 2, False), ("overload", 1, False), ("queue", 1, True),
    ):  # fmt: skip
        for _ in range(count):
            frame = SimulatedFrame(0, 0, 0.0, 320, 1e6, 15.0, reachable=True)
            tally.captured += 1
            tally.count(frame, outcome, 0.5 * (outcome == "in_time"), infeasible=infeasible)
    tally.skipped, tally.skipped_reachable = 5, 4
    tally.latencies_ms = [float(ms) for ms in range(100, 0, -1)]
    tally.sent_bits = 8e6
    made.devices.busy_ms = 1000.0
    return row_of(made, "smallest", tally)


def test_counts_and_shares(row: RunResult) -> None:
    assert (row.captured, row.feasible, row.network, row.unreachable) == (20, 19, 1, 0)
    assert (row.in_time, row.late, row.overload, row.queue) == (16, 2, 1, 1)
    assert (row.misses, row.miss_late, row.miss_overload) == (3, 2, 1)
    assert row.miss_rate == pytest.approx(3 / 19, abs=1e-6)
    assert row.infeasible_share == pytest.approx(1 / 20)


def test_a_skipped_frame_that_was_reachable_costs_f1(row: RunResult) -> None:
    assert row.f1 == pytest.approx(8.0 / 24, abs=1e-5)
    assert row.f1_feasible == pytest.approx(8.0 / 19, abs=1e-5)


def test_rates_are_of_all_devices_and_clients(row: RunResult) -> None:
    assert row.utilisation == pytest.approx(0.25)  # one of two devices, for half of two seconds
    assert row.sent_mbps == pytest.approx(2.0)  # a client's
    assert (row.p50_ms, row.p99_ms) == (51.0, 100.0)


def test_a_cell_is_named_with_its_seed_unless_that_is_the_first(row: RunResult) -> None:
    assert row.cell_name == "stepped, 2 x 15 fps, 100 ms"
    values = {field.name: getattr(row, field.name) for field in fields(row)} | {"seed": 3}
    assert RunResult(**values).cell_name == "stepped, 2 x 15 fps, 100 ms, seed 3"


def test_csv_has_every_column_of_every_result(row: RunResult) -> None:
    file = io.StringIO()
    write_csv([row, row], file)
    header, *lines = csv.reader(io.StringIO(file.getvalue()))
    assert tuple(header) == COLUMNS
    assert lines == [[str(getattr(row, name)) for name in COLUMNS]] * 2
