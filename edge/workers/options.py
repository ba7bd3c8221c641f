"""How workers run, and when they are given up and restarted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edge.profile.variant import LONG_SIDES, Precision, Variant
from edge.workers.messages import Warm
from edge.workers.spawn import COMMAND
from edge.workers.warmup import SHAPES, warm_list

_CPU_WARM_UP_S = 8.0
_GPU_WARM_UP_S = 60.0  # a CUDA graph not recorded costs in every batch, not just in the first


@dataclass(frozen=True, slots=True)
class Options:
    """How workers run. What is None is chosen to suit the device.

    `variants` are resident and measured (default: every edge of every network), at `shapes`
    (width, height) and `batches`; shapes other than the first are left for later once
    `warm_up_s` is spent. `threads` are a CPU worker's (default: all cores), `nice` its
    distance from the front of the scheduler's queue. A batch that takes `hang_factor` times what
    it should, and at least `hang_least_s`, is a hang, as is a start without progress for
    `start_silence_s`. Restarts wait from `restart_first_s`, doubling, to `restart_most_s`, and
    start over once a worker was ready for `steady_s`.
    """

    variants: tuple[str, ...] | None = None
    shapes: tuple[tuple[int, int], ...] = SHAPES
    batches: tuple[int, ...] | None = None
    warm_up_s: float | None = None
    weights: Mapping[str, Path] = field(default_factory=dict)
    precision: Precision = "auto"
    threads: int | None = None
    nice: int = 0
    hang_factor: float = 20.0
    hang_least_s: float = 5.0
    start_silence_s: float = 120.0
    restart_first_s: float = 0.25
    restart_most_s: float = 30.0
    steady_s: float = 30.0
    stop_grace_s: float = 2.5
    log_format: Literal["text", "json"] = "text"
    command: tuple[str, ...] = COMMAND

    def warm_up_limit_s(self, device: str) -> float:
        """Seconds of warming up before what needn't be measured is left out."""
        if self.warm_up_s is not None:
            return self.warm_up_s
        return _CPU_WARM_UP_S if device == "cpu" else _GPU_WARM_UP_S

    def warm_list(self, device: str, networks: Sequence[str], *, measure: bool) -> list[Warm]:
        """What a device's worker runs before its first client."""
        variants = self.variants or tuple(
            Variant(network, long_side).name for network in networks for long_side in LONG_SIDES
        )
        # Batching buys nothing on a CPU, so only a GPU is made ready for it.
        batches = self.batches or ((1,) if device == "cpu" else (1, 2, 4, 8))
        return warm_list(variants, self.shapes, batches, measure=measure)


def restart_delay_s(losses: int, options: Options) -> float:
    """Seconds to wait before the restart that follows the `losses`th loss in a row."""
    doublings = min(losses - 1, 32)
    return min(options.restart_most_s, options.restart_first_s * 2.0**doublings)
