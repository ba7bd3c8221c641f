"""What was counted by hand in clips, and how a count by tracks compares."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.tracking.settings import LineSettings

FILE = Path(__file__).with_name("hand_count.toml")
TOLERANCE_S = 1.0
"""Between a crossing as it was seen by hand and as it was counted."""


@dataclass(frozen=True)
class Clip:
    """One clip's line, and its crossings by direction: seconds from the start."""

    file: str
    seconds: float
    line: LineSettings
    crossings: dict[str, list[float]]


@dataclass(frozen=True)
class Comparison:
    """Counted crossings beside those of the hand count, in one direction."""

    by_hand: int
    counted: int
    found: int
    """Crossings of the hand count that were counted."""

    @property
    def missed(self) -> int:
        return self.by_hand - self.found

    @property
    def false(self) -> int:
        return self.counted - self.found


def load_clips(file: Path = FILE) -> list[Clip]:
    """The clips of the file."""
    return [_clip(values) for values in tomllib.loads(file.read_text())["clips"]]


def _clip(values: dict[str, Any]) -> Clip:
    keys = ("classes", "start", "end", "anchor")
    line = LineSettings.model_validate({"name": "line", **{key: values[key] for key in keys}})
    crossings = {direction: list(values[direction]) for direction in ("in", "out")}
    return Clip(values["file"], values["seconds"], line, crossings)


def compare(by_hand: Sequence[float], counted: Sequence[float]) -> Comparison:
    """Each counted time stands for one of the hand count at most, the nearest that is left."""
    left = sorted(by_hand)
    found = 0
    for at_s in sorted(counted):
        nearest = min(left, key=lambda other: abs(other - at_s), default=None)
        if nearest is not None and abs(nearest - at_s) <= TOLERANCE_S:
            left.remove(nearest)
            found += 1
    return Comparison(len(by_hand), len(counted), found)
