"""All runs of an experiment, over as many processes as asked for."""

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


def work(experiment: Simulation, task: Task) -> float:
    """Simulated client-seconds, by which progress is told."""
    return task[0].clients * experiment.seconds


def run_one(experiment: Simulation, task: Task) -> RunResult:
    """One run from its beginning to its end."""
    cell, policy = task
    run = SimulationRun(experiment, cell, POLICY[policy])
    return row_of(run, policy, run.run())


def run_all(experiment: Simulation, jobs: int = 1) -> Iterator[tuple[int, RunResult]]:
    """Rows with their places in `tasks`, as they are done; the longest runs begin first."""
    todo = list(enumerate(tasks(experiment)))
    if jobs == 1:
        for place, task in todo:
            yield place, run_one(experiment, task)
        return
    todo.sort(key=lambda each: -work(experiment, each[1]))
    with ProcessPoolExecutor(jobs) as pool:
        places = {pool.submit(run_one, experiment, task): place for place, task in todo}
        try:
            for future in as_completed(places):
                yield places[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
