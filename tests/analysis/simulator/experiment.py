"""A small experiment to test with."""

from pathlib import Path
from typing import Any

from analysis.simulator.policies import POLICY
from analysis.simulator.run import SimulationRun
from analysis.simulator.specification import PolicyName, Simulation

ROOT = Path(__file__).parents[3]


def experiment(**changes: Any) -> Simulation:
    """Two simulated GPUs, two clients for three seconds on the stepped trace."""
    return Simulation.model_validate(
        {
            "name": "small",
            "clients": [2],
            "fps": [15],
            "slo_ms": [100],
            "seconds": 3,
            "traces": [{"kind": "stepped", "jitter_ms": 1}],
            "devices": [{"profile": ROOT / "profiles/sim-rtx2080ti.json", "count": 2}],
            "accuracy": {
                "file": ROOT / "profiles/accuracy-yolov4-tiny.json",
                "as_network": "yolov4-tiny",
            },
        }
        | changes
    )


def run(policy: PolicyName, **changes: Any) -> SimulationRun:
    """A run of the only cell, not yet started."""
    made = experiment(**changes)
    return SimulationRun(made, next(made.cells), POLICY[policy])
