"""Grids: what is pooled, what is compared, and how it stands in the table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.figures.exhibits.grid import (
    CellOutcome,
    PooledOutcomes,
    from_runs,
    from_simulator,
    grid,
    grids,
)
from analysis.simulator.results import COLUMNS
from analysis.simulator.results import RunResult as Simulated
from netem.results.rows import RunRow
from tests.analysis.figures.recording import blank, counts_of, frame, unanswered

OURS = CellOutcome(
    setting="small: lte", policy="ours", clients=1, fps=15.0, slo_ms=100.0, seed="1", frames=100,
    captured=100, infeasible=20, feasible=80, missed=8, f1=0.8,
)  # fmt: skip


def test_shares_are_of_all_frames_of_a_pool() -> None:
    other = replace(OURS, frames=300, captured=300, infeasible=0, feasible=300, missed=30, f1=0.4)
    pool = PooledOutcomes([OURS, other])
    assert pool.f1 == pytest.approx((80 + 120) / 400)
    assert pool.miss_rate == pytest.approx(38 / 380)
    assert pool.infeasible_share == pytest.approx(20 / 400)


def test_a_busy_machine_is_told() -> None:
    busy = [replace(OURS, busy=0.99, by_sender=10), replace(OURS, busy=0.5, seed="2")]
    exhibit = grid(busy)
    assert exhibit.table.column("machine busy") == [0.99]
    assert exhibit.table.column("missed by the sender") == [0.05]
    assert "may not be due to any policy" in exhibit.caption
    assert "may not be due to any policy" not in grid([OURS]).caption


def test_a_row_for_each_value_and_policy_of_each_axis_that_varies() -> None:
    outcomes = [
        replace(OURS, policy=policy, clients=clients, fps=fps, missed=missed)
        for policy, missed in (("fixed", 40), ("ours", 8))
        for clients in (1, 8)
        for fps in (15.0, 25.0)
    ]
    table = grid(outcomes).table
    assert [row[:3] for row in table.rows] == [
        (axis, value, policy)
        for axis, values in (("clients", (1, 8)), ("frames a second", (15, 25)))
        for value in values
        for policy in ("ours", "fixed")
    ]
    assert table.column("missed, of feasible") == [0.1, 0.5] * 4
    assert table.column("frames") == [200] * 8
    assert table.column("runs") == [2] * 8


def test_policies_are_compared_on_the_same_cells() -> None:
    fixed = replace(OURS, policy="fixed")
    hard = replace(OURS, seed="2", missed=80)
    eight = [replace(each, clients=8) for each in (OURS, fixed)]
    exhibit = grid([OURS, fixed, hard, *eight])
    assert exhibit.table.column("missed, of feasible") == [0.1] * 4
    assert "1 of 5 runs are in no column" in exhibit.caption


def test_a_policy_that_ran_at_some_values_only_does_not_take_the_others_away() -> None:
    outcomes = [replace(OURS, clients=clients) for clients in (1, 2, 4)]
    outcomes += [replace(OURS, policy="fixed", clients=clients) for clients in (2, 4)]
    exhibit = grid(outcomes)
    assert [row[1:3] for row in exhibit.table.rows] == [
        (1, "ours"), (2, "ours"), (2, "fixed"), (4, "ours"), (4, "fixed"),
    ]  # fmt: skip
    assert "in no column" not in exhibit.caption


def test_a_column_does_not_mix_slices_that_end_early() -> None:
    """Two clients ran at a harder objective as well: by clients that is left out."""
    outcomes = [replace(OURS, clients=clients) for clients in (1, 2, 4)]
    outcomes.append(replace(OURS, clients=2, slo_ms=50.0, missed=80))
    exhibit = grid(outcomes)
    assert exhibit.table.rows == [
        ("clients", 1, "ours", 0.8, 0.1, 0.2, 0.0, None, 100, 1),
        ("clients", 2, "ours", 0.8, 0.1, 0.2, 0.0, None, 100, 1),
        ("clients", 4, "ours", 0.8, 0.1, 0.2, 0.0, None, 100, 1),
        ("objective, ms", 50.0, "ours", 0.8, 1.0, 0.2, 0.0, None, 100, 1),
        ("objective, ms", 100.0, "ours", 0.8, 0.1, 0.2, 0.0, None, 100, 1),
    ]
    labels = [axes.get_xlabel() for axes in exhibit.picture.axes[-2:]]
    assert labels == ["clients\n(fps 15; ms 100)", "objective, ms\n(clients 2; fps 15)"]


def test_settings_are_not_pooled() -> None:
    other = replace(OURS, setting="small: nr")
    assert [exhibit.name for exhibit in grids([OURS, other])] == ["grid-small-lte", "grid-small-nr"]


def test_a_run_without_real_devices_has_its_simulated_f1() -> None:
    frames = [frame(0, n) for n in range(1, 9)]
    frames += [unanswered(0, 9, "paced"), unanswered(0, 10, "lost"), unanswered(0, 11, "hopeless")]
    frames[-1].infeasible = True
    counts = counts_of(frames) | {"f1": 0.7, "f1_simulated": 0.5}
    about = {"experiment": "small", "trace": "lte", "delay_ms": 20.0, "kind": "light"}
    real = RunRow(**blank(RunRow) | counts | about | {"policy": "ours", "clients": 1})
    simulated = replace(real, simulated=True, device="sim:p/gpu.json sim:p/gpu.json cpu")
    outcome, other = from_runs([real, simulated])
    assert (outcome.f1, other.f1) == (0.7, 0.5)
    assert (outcome.captured, outcome.infeasible, outcome.feasible, outcome.missed) == (11, 1, 9, 1)
    assert other.setting == "small: lte +20 ms, light, 2 x gpu, cpu, SIMULATED"


def test_the_simulators_rows_make_the_same_figure() -> None:
    values = dict.fromkeys(COLUMNS, 0) | {
        "trace": "lte", "policy": "ours", "clients": 2, "fps": 15.0, "slo_ms": 100.0, "seed": 1,
        "captured": 90, "skipped": 10, "feasible": 80, "misses": 8, "f1": 0.5, "devices": 2,
    }  # fmt: skip
    (outcome,) = from_simulator([Simulated(**values)], "many")  # type: ignore[arg-type]
    assert outcome == CellOutcome(
        "many: lte, SIMULATED, devices: 2", "ours", 2, 15.0, 100.0, "1", 100, 90, 10, 80, 8, 0.5,
        simulated=True,
    )  # fmt: skip
