"""Checks a PyTorch module of the operator's own, without PyTorch: a process of its own runs it."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from edge.ipc.child_run import ChildRunError, run_child
from edge.models.cfg.model_error import ModelError
from edge.models.registry.output_layouts import (
    LARGE_SIDE,
    Head,
    Layout,
    LayoutError,
    Output,
    identify,
    known_layouts,
    overridden,
)

TORCHVISION_KEYS = ("labels", "boxes", "scores")

_COMMAND = (sys.executable, "-P", "-m", "edge.models.registry.torch_module")
_TIMEOUT_S = 120.0  # to import PyTorch and the module's package, and run it twice


@dataclass(frozen=True, slots=True)
class TorchFile:
    """A checked module; `names` are its classes' if it has an attribute of that name."""

    head: Head
    names: tuple[str, ...] | None = None


@cache
def read_torch(entry_point: str, weights: Path | None, layout: str | None) -> TorchFile:
    """What the module gives; ModelError for one that can't be made, run or understood.

    `layout` overrides what is told by the outputs' shapes.
    """
    described = _run(entry_point, weights)
    if (mistake := described.get("mistake")) is not None:
        raise ModelError(mistake)
    return understand(entry_point, described, layout)


def understand(entry_point: str, described: Mapping[str, Any], layout: str | None) -> TorchFile:
    """What `describe` found; ModelError for outputs of another kind."""
    names = described["names"]
    known = None if names is None else tuple(map(str, names))
    if described["torchvision"]:
        return TorchFile(Head(Layout.TORCHVISION, None, (0, 1, 2)), known)
    pairs = zip(described["small"], described["large"], strict=True)
    outputs = [
        Output(small["name"], small["integer"], tuple(small["shape"]), tuple(large["shape"]))
        for small, large in pairs
    ]
    try:
        head = identify(outputs, cells=sum(LARGE_SIDE**2 // stride**2 for stride in (8, 16, 32)))
        if layout is not None and layout != head.layout:
            head = overridden(head, Layout(layout), outputs)
    except LayoutError as error:
        raise ModelError(
            f"torch = {entry_point!r}: {error}; known are a dictionary a picture with boxes, labels"
            f" and scores, and the layouts {known_layouts()}"
        ) from None
    return TorchFile(head, known)


def _run(entry_point: str, weights: Path | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outputs.json"
        arguments = [entry_point, str(file), *([] if weights is None else [str(weights)])]
        try:
            run_child(_COMMAND, arguments, _TIMEOUT_S)
            described: dict[str, Any] = json.loads(file.read_text())
        except (ChildRunError, FileNotFoundError) as error:  # its code may end the process itself
            raise ModelError(f"torch = {entry_point!r}: {error}") from None
    return described
