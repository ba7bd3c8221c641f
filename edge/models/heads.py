"""A detection head's numbers, by which its map becomes boxes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """A head's decoding from raw map to boxes: stride and anchors (width, height) in input pixels.

    `scale_xy` stretches the centre's sigmoid so that it reaches the cell's borders. `activated`:
    the map holds sigmoids already, and the sides are twice their squares (Scaled-YOLOv4's
    `new_coords`); the same for all heads of a network.
    """

    stride: int
    anchors: tuple[tuple[float, float], ...]
    scale_xy: float
    activated: bool = False
