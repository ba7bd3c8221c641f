"""YOLOv4 and YOLOv4-tiny: the networks, their weights, and a detector for a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge.models.weights import load_network

if TYPE_CHECKING:
    from edge.models.detector import Detector

__all__ = ["Detector", "load_network"]


def __getattr__(name: str) -> Any:
    # Late: the server imports this package for names and weights, and has no use for torch.
    if name == "Detector":
        from edge.models.detector import Detector  # noqa: PLC0415

        return Detector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
