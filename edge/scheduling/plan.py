"""A plan: the variants that each GPU runs, their batch sizes, and the clients that they serve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from edge.scheduling.capacity_rules import Rule
from edge.scheduling.problem import Problem


@dataclass(frozen=True, slots=True)
class CycleStep:
    """One batch of a GPU's cycle: indices of the variant and of its clients, and the batch size."""

    variant: int
    batch: int
    clients: tuple[int, ...]


Cycle = tuple[CycleStep, ...]
"""A GPU runs the batches of its resident variants in turn; empty where it idles."""


@dataclass(frozen=True)
class Plan:
    """A solver's answer to `problem`: a cycle for each GPU.

    `is_proved`: no plan serves more clients, nor as many at a higher accuracy.
    """

    problem: Problem
    algorithm: str
    rule: Rule
    gpus: tuple[Cycle, ...]
    is_proved: bool = False

    @cached_property
    def variant_of(self) -> dict[int, int]:
        """The variant's index for each client that is served, by the client's index."""
        return {c: step.variant for steps in self.gpus for step in steps for c in step.clients}

    @property
    def served(self) -> int:
        """The number of clients that are served."""
        return len(self.variant_of)

    @property
    def unserved(self) -> tuple[str, ...]:
        """Ids of the others, in the problem's order."""
        clients = enumerate(self.problem.clients)
        return tuple(client.id for index, client in clients if index not in self.variant_of)

    @cached_property
    def accuracy(self) -> float:
        """Mean accuracy weighted by frame rate, an unserved client counting 0.

        Over all clients that have a budget above 0 for some variant; 0 when there is none.
        """
        problem = self.problem
        total = gained = 0.0
        for index, client in enumerate(problem.clients):
            if any(budget > 0 for budget in client.budget_ms):
                total += client.fps
            variant = self.variant_of.get(index)
            if variant is not None:
                gained += client.fps * problem.accuracy(client, variant)
        return gained / total if total else 0.0

    @property
    def changes(self) -> int:
        """The number of variants that GPUs would have to load from `current`."""
        current = self.problem.current
        if current is None:
            return 0
        return sum(
            self.problem.variants[step.variant].name not in resident
            for steps, resident in zip(self.gpus, current, strict=True)
            for step in steps
        )

    def cycle_ms(self, gpu: int) -> float:
        """The time that the GPU takes for one cycle; 0 if it idles."""
        variants = self.problem.variants
        return sum(variants[s.variant].latency_ms[s.batch - 1] for s in self.gpus[gpu])

    def to_json(self) -> dict[str, Any]:
        """The plan as `edge solve` writes it (docs/formats/solve.md), without `solve_ms`."""
        problem = self.problem
        return {
            "algorithm": self.algorithm,
            "rule": self.rule,
            "gpus": [
                {
                    "gpu": gpu,
                    "cycle_ms": round(self.cycle_ms(gpu), 6),
                    "variants": [
                        {
                            "variant": problem.variants[step.variant].name,
                            "batch": step.batch,
                            "clients": [problem.clients[c].id for c in step.clients],
                        }
                        for step in steps
                    ],
                }
                for gpu, steps in enumerate(self.gpus)
            ],
            "unserved": list(self.unserved),
            "served": self.served,
            "accuracy": self.accuracy,
            "changes": self.changes,
        }
