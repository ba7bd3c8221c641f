"""Checks a PyTorch module of the operator's own, without PyTorch: a process of its own runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

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
_ROOT = Path(__file__).resolve().parents[3]  # the folder that holds the package `edge`
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
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outputs.json"
        command = [*_COMMAND, str(os.getpid()), entry_point, str(file)]
        command += [] if weights is None else [str(weights)]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                timeout=_TIMEOUT_S,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
            )
        except subprocess.TimeoutExpired:
            raise ModelError(
                f"torch = {entry_point!r}: not made and run within {_TIMEOUT_S:g} s"
            ) from None
        if not file.is_file():
            lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            raise ModelError(f"torch = {entry_point!r}: {lines[-1][:300]}")
        described: dict[str, Any] = json.loads(file.read_text())
        return described
