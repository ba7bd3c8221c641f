"""The workers' options: networks, warming up, and the policy of giving up and restart."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from edge.ipc.supervisor import SupervisionPolicy
from edge.models.registry.model import Model
from edge.profile.variant import LONG_SIDES, Precision, RuntimeSetting, Variant
from edge.workers.messages import WarmupBatch
from edge.workers.warmup import SHAPES, warmup_batches

COMMAND = (sys.executable, "-P", "-m", "edge.workers")

SUPERVISION = SupervisionPolicy(start_silence_s=120.0, stop_grace_s=2.5)

_CPU_WARMUP_S = 8.0
_ALL_SHAPES = 3  # networks that are warmed up for every shape; with more, for two
_GPU_WARMUP_S = 60.0  # without a recorded CUDA graph every batch is slow, not just the first


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Options of all workers. Those that are None are chosen to suit the device.

    `variants` are resident and measured (default: every long side of every network), at `shapes`
    (width, height) and `batches`; shapes other than the first are left for later once `warmup_s` is
    spent. `models` describe the networks that are not simply built in. `threads` are a CPU worker's
    (default: all cores), `nice` its process niceness, and `load_nice` what is added to that until
    it is ready. A batch that takes `hang_factor` times its expected latency, and at least
    `hang_least_s`, is a hang.
    """

    variants: tuple[str, ...] | None = None
    shapes: tuple[tuple[int, int], ...] = SHAPES
    batches: tuple[int, ...] | None = None
    warmup_s: float | None = None
    weights: Mapping[str, Path] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    precision: Precision = "auto"
    runtime: RuntimeSetting = "auto"
    threads: int | None = None
    nice: int = 0
    load_nice: int = 0
    hang_factor: float = 20.0
    hang_least_s: float = 5.0
    supervision: SupervisionPolicy = SUPERVISION
    log_format: Literal["text", "json"] = "text"
    command: tuple[str, ...] = COMMAND

    def of_networks(self, networks: Sequence[str]) -> WorkerOptions:
        """These options with the variants of these networks alone."""
        if self.variants is None:
            return self
        kept = tuple(each for each in self.variants if Variant.parse(each).network in networks)
        return replace(self, variants=kept)

    def warmup_limit_s(self, device: str) -> float:
        """Seconds of warming up after which batches that are not measured are left out."""
        if self.warmup_s is not None:
            return self.warmup_s
        return _CPU_WARMUP_S if device == "cpu" else _GPU_WARMUP_S

    def warmup_batches(
        self, device: str, networks: Sequence[str], *, measure: bool
    ) -> list[WarmupBatch]:
        """The batches that a device's worker runs before its first client's."""
        variants = self.variants or tuple(
            Variant(network, long_side).name for network in networks for long_side in LONG_SIDES
        )
        # On a CPU two sizes tell what batches gain there, which may be nothing.
        batches = self.batches or ((1, 4) if device == "cpu" else (1, 2, 4, 8))
        # They travel in one message, whose size is bounded.
        shapes = self.shapes if len(networks) <= _ALL_SHAPES else self.shapes[:2]
        return warmup_batches(variants, shapes, batches, measure=measure)
