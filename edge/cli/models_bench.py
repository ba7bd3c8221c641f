"""Measures a model on this machine's CPU, in this process."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from edge.models.registry.model import Model
from edge.profile.variant import Variant
from edge.workers.backends import open_device
from edge.workers.messages import WorkerSetup
from edge.workers.warmup import measure, warmup_batches


@dataclass(frozen=True, slots=True)
class InputFigures:
    """Of one input, (width, height): the median ms of a picture, preparation included, and this
    process's resident bytes since, with all inputs before it."""

    size: tuple[int, int]
    ms: float
    resident_bytes: int


def measure_model(model: Model, threads: int | None) -> Iterator[InputFigures]:
    """The figures of each input, smallest first."""
    device = open_device(_setup(model, threads), lambda text: None)
    for warm in warmup_batches(model.variants, [(16, 9)]):
        device.warm_up(warm)
        ms = statistics.median(measure(device.detect, warm))
        memory = device.memory()
        yield InputFigures(
            Variant.parse(warm.variant).input_size(*warm.picture), ms, memory[0] if memory else 0
        )


def _setup(model: Model, threads: int | None) -> WorkerSetup:
    return WorkerSetup(
        device="cpu",
        networks=[model.name],
        weights={},
        precision="auto",
        runtime="auto",
        threads=threads,
        nice=0,
        slots=1,
        slot_bytes=1,
        warmup=[],
        warmup_s=0.0,
        models={model.name: model},
    )
