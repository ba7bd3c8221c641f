"""All runs of an experiment, in one process or several."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from analysis.simulator.policies import POLICY
from analysis.simulator.results import RunResult, row_of
from analysis.simulator.run import SimulationRun
from analysis.simulator.specification import PolicyName, Simulation, SimulationCell

Task = tuple[SimulationCell, PolicyName]


def tasks(experiment: Simulation) -> list[Task]:
    """Every run, in the order of the results."""
    return [(cell, policy) for cell in experiment.cells for policy in experiment.policies]


def client_seconds(experiment: Simulation, task: Task) -> float:
    """The work of a run, in simulated client-seconds."""
    return task[0].clients * experiment.seconds


def run_one(experiment: Simulation, task: Task) -> RunResult:
    """One whole run."""
    cell, policy = task
    run = SimulationRun(experiment, cell, POLICY[policy])
    return row_of(run, policy, run.run())


def run_all(experiment: Simulation, jobs: int = 1) -> Iterator[tuple[int, RunResult]]:
    """Results as they are done, with their index in `tasks`; several processes begin with the
    longest runs."""
    todo = list(enumerate(tasks(experiment)))
    if jobs == 1:
        for index, task in todo:
            yield index, run_one(experiment, task)
        return
    todo.sort(key=lambda each: -client_seconds(experiment, each[1]))
    with ProcessPoolExecutor(jobs) as pool:
        indices = {pool.submit(run_one, experiment, task): index for index, task in todo}
        try:
            for future in as_completed(indices):
                yield indices[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
