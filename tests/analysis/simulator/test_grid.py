"""All runs of an experiment: their order, and their results by index."""

from analysis.simulator.grid import client_seconds, run_all, tasks
from tests.analysis.simulator.experiment import experiment

GRID = experiment(
    clients=[1, 2],
    slo_ms=[100, 150],
    seeds=[1, 2],
    traces=[{"kind": "stepped"}, {"kind": "wifi"}],
    policies=["largest", "smallest"],
    seconds=0.5,
)


def test_policies_vary_fastest_then_seeds_and_traces_slowest() -> None:
    order = [(c.trace.label, c.clients, c.slo_ms, c.seed, policy) for c, policy in tasks(GRID)]
    assert len(order) == 32
    assert order[:4] == [
        ("stepped", 1, 100.0, 1, "largest"),
        ("stepped", 1, 100.0, 1, "smallest"),
        ("stepped", 1, 100.0, 2, "largest"),
        ("stepped", 1, 100.0, 2, "smallest"),
    ]
    assert [label for label, *_ in order] == ["stepped"] * 16 + ["wifi"] * 16


def test_a_runs_work_is_its_clients_by_its_seconds() -> None:
    assert {client_seconds(GRID, task) for task in tasks(GRID)} == {0.5, 1.0}


def test_every_result_has_the_index_of_its_task() -> None:
    small = GRID.model_copy(update={"seeds": [1], "slo_ms": [100.0]})
    todo = tasks(small)
    found = dict(run_all(small))
    assert sorted(found) == list(range(len(todo)))
    for index, (cell, policy) in enumerate(todo):
        row = found[index]
        assert (row.trace, row.clients, row.policy) == (cell.trace.label, cell.clients, policy)
