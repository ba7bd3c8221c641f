"""Models as the registry makes them, without their files."""

from __future__ import annotations

from collections.abc import Sequence

from edge.models.registry.model import Model
from edge.profile.variant import LONG_SIDES


def model(
    name: str = "yolov4-tiny",
    class_names: Sequence[str] = ("car", "bus"),
    long_sides: Sequence[int] = LONG_SIDES,
    family: str = "",
) -> Model:
    return Model(name, family or name, tuple(class_names), tuple(long_sides))
