"""A model: a detector with its classes, input sizes and thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.profile.variant import Variant


@dataclass(frozen=True, slots=True)
class Model:
    """A model whose files have been checked; also travels to the processes that use it.

    Exactly one kind: `onnx`; `torch`, an entry point that makes a PyTorch module; `cfg` with its
    `weights`; or none, for the built-in network of that name, whose `weights` are the published
    ones if None. `providers`: ONNX Runtime's, in the order that they are tried; empty: the device's
    own. `family` names models of the same classes among which the planner may choose. `long_sides`
    ascend, in pixels of the input. `on_demand`: loaded once a session may use it, rather than at
    the start.
    """

    name: str
    family: str
    class_names: tuple[str, ...]
    long_sides: tuple[int, ...]
    score_threshold: float = 0.25
    nms_iou: float = 0.45
    cfg: Path | None = None
    weights: Path | None = None
    onnx: Path | None = None
    layout: str | None = None
    providers: tuple[str, ...] = ()
    torch: str | None = None
    on_demand: bool = False

    @property
    def variants(self) -> list[str]:
        """Names of its variants, smallest first."""
        return [Variant(self.name, long_side).name for long_side in self.long_sides]

    @property
    def kind(self) -> str:
        if self.onnx is not None:
            return "onnx"
        if self.torch is not None:
            return "torch"
        return "darknet" if self.cfg else "built in"

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.cfg, self.weights, self.onnx) if path is not None)
