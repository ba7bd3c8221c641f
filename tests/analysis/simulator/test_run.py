"""Whole runs: every frame is counted once, and the same seed gives the same bytes."""

import io

import pytest

from analysis.simulator.grid import run_all
from analysis.simulator.results import row_of, write_csv
from analysis.simulator.specification import POLICIES, PolicyName
from tests.analysis.simulator.experiment import experiment, run

HARD = {
    "clients": [5],
    "fps": [25],
    "slo_ms": [75],
    "traces": [{"kind": "lte", "seed": 4, "rtt_ms": 30, "loss": 0.01, "queue_bytes": 60_000}],
}


@pytest.mark.parametrize("policy", POLICIES)
def test_every_captured_frame_ends_in_exactly_one_count(policy: PolicyName) -> None:
    made = run(policy, **HARD)
    row = row_of(made, policy, made.run())
    assert row.captured + row.skipped == 5 * 25 * 3
    fates = row.in_time, row.late, row.hopeless, row.superseded, row.overload, row.no_plan
    assert sum(fates) + row.queue == row.captured
    assert row.feasible + row.network + row.unreachable == row.captured
    assert row.misses <= row.feasible
    assert 0.0 <= row.f1 <= 1.0


@pytest.mark.parametrize("policy", POLICIES)
def test_an_easy_cell_is_served_by_all(policy: PolicyName) -> None:
    made = run(policy, traces=[{"kind": "stepped"}], slo_ms=[400])
    row = row_of(made, policy, made.run())
    assert row.captured == row.in_time == 2 * 15 * 3
    assert row.f1 > 0.0


def test_the_same_seed_gives_the_same_csv_in_any_number_of_processes() -> None:
    def text(jobs: int) -> str:
        made = experiment(policies=["ours", "jellyfish"], seconds=2, **{"clients": [3]})
        rows = dict(run_all(made, jobs))
        file = io.StringIO()
        write_csv([rows[place] for place in sorted(rows)], file)
        return file.getvalue()

    assert text(1) == text(1) == text(2)


def test_another_seed_gives_another_run() -> None:
    rows = []
    for seed in (1, 2):
        made = run("largest", seeds=[seed])
        rows.append(row_of(made, "largest", made.run()))
    assert rows[0].p50_ms != rows[1].p50_ms


def test_frames_during_an_outage_are_nobodys_fault() -> None:
    made = run("smallest", traces=[{"kind": "lte", "seed": 2}], seconds=60, clients=[1])
    row = row_of(made, "smallest", made.run())
    assert row.unreachable > 0
    assert row.miss_rate < 0.02
