"""Measures a model on this machine's CPU, in this process."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from edge.models.registry.model import Model
from edge.profile.variant import Variant
from edge.workers.backends import open_device
from edge.workers.messages import WorkerSetup
from edge.workers.warmup import measure, warmup_batches


def measure_model(model: Model, threads: int | None) -> Iterator[tuple[tuple[int, int], float]]:
    """(width, height) of each input and the median ms of one picture, preparation included."""
    device = open_device(_setup(model, threads), lambda text: None)
    for warm in warmup_batches(model.variants, [(16, 9)]):
        device.warm_up(warm)
        yield (
            Variant.parse(warm.variant).input_size(*warm.picture),
            statistics.median(measure(device.detect, warm)),
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
