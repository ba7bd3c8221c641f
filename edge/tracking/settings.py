"""Tracks, zones, lines and rules as the settings describe them (docs/operate/zones.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Name = Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")]
Names = Annotated[list[str], Field(max_length=1000)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Point = tuple[Fraction, Fraction]
Seconds = Annotated[float, Field(ge=0, le=3600)]
Anchor = Literal["bottom", "center"]
"""The point of a box that is where the thing is: the middle of its lower side, or of all of it."""
MAX_EACH = 64  # zones, lines and rules
LEAST_AREA = 1e-4  # of a zone, as a share of the picture
LEAST_LENGTH = 0.01  # of a line

_CONFIG = ConfigDict(extra="forbid", frozen=True)


class TrackingSettings(BaseModel):
    """How boxes become tracks."""

    model_config = _CONFIG

    on: bool = False
    lost_s: Annotated[float, Field(ge=0.1, le=30)] = 1.5
    """How long a track without a box is looked for."""
    high_score: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Boxes from this score on are matched first."""
    min_hits: Annotated[int, Field(ge=1, le=100)] = 3
    """Boxes that make a track count in zones and at lines."""


class _OfCamera(BaseModel):
    """What lies in the picture of the cameras with one label; without one, of all."""

    model_config = _CONFIG

    name: Name
    label: Annotated[str, Field(max_length=64)] | None = None
    classes: Names = []
    anchor: Anchor = "bottom"

    def is_for(self, label: str) -> bool:
        """Whether it lies in the picture of a camera with this label."""
        return self.label in (None, label)


class ZoneSettings(_OfCamera):
    """A polygon, in fractions of the picture."""

    polygon: Annotated[list[Point], Field(min_length=3, max_length=32)]
    settle_s: Seconds = 0.3
    """How long something has to be inside, or outside, before that counts."""

    @field_validator("polygon")
    @classmethod
    def _has_inside(cls, polygon: list[Point]) -> list[Point]:
        if _crosses_itself(polygon):
            raise ValueError("no two sides may cross")
        if abs(_area(polygon)) < LEAST_AREA:
            raise ValueError(f"at least {LEAST_AREA:g} of the picture's area")
        return polygon


class LineSettings(_OfCamera):
    """A line from `start` to `end`; `in` is from its left to its right, seen along it."""

    start: Point
    end: Point
    margin: Annotated[float, Field(ge=0, le=0.2)] = 0.01
    """How far beyond the line, in fractions of the picture, something has to be."""

    @model_validator(mode="after")
    def _long_enough(self) -> LineSettings:
        (x1, y1), (x2, y2) = self.start, self.end
        if (x2 - x1) ** 2 + (y2 - y1) ** 2 < LEAST_LENGTH**2:
            raise ValueError(f"start and end: at least {LEAST_LENGTH:g} apart")
        return self


class RuleSettings(BaseModel):
    """On once a zone has held more, or fewer, than a number for a time."""

    model_config = _CONFIG

    name: Name
    zone: str
    classes: Names = []
    more_than: Annotated[int, Field(ge=0, le=1000)] | None = None
    fewer_than: Annotated[int, Field(ge=1, le=1000)] | None = None
    for_s: Seconds = 3.0
    off_s: Seconds | None = None
    """How long the opposite has to hold before it is off; None: as long as `for_s`."""

    @model_validator(mode="after")
    def _one_bound(self) -> RuleSettings:
        if (self.more_than is None) == (self.fewer_than is None):
            raise ValueError("either more_than or fewer_than")
        return self


_Named = TypeVar("_Named", ZoneSettings, LineSettings, RuleSettings)


def each_once(items: list[_Named]) -> list[_Named]:
    """ValueError where a name stands twice: events and metrics are told apart by it."""
    names = [item.name for item in items]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"the name {twice[0]!r} stands twice: each once")
    return items


def check_zones(rules: Sequence[RuleSettings], zones: Sequence[ZoneSettings]) -> None:
    """ValueError where a rule names a zone that there is not, or classes that it leaves out."""
    by_name = {zone.name: zone for zone in zones}
    for number, rule in enumerate(rules):
        if rule.zone not in by_name:
            known = ", ".join(by_name) or "none"
            raise ValueError(f"rules[{number}].zone: {rule.zone!r} is none of the zones: {known}")
        counted = by_name[rule.zone].classes
        if counted and (never := sorted(set(rule.classes) - set(counted))):
            raise ValueError(
                f"rules[{number}].classes: the zone {rule.zone!r} does not count {never[0]!r}"
            )


def _area(polygon: Sequence[Point]) -> float:
    ends = [*polygon[1:], polygon[0]]
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(polygon, ends, strict=True)) / 2.0


def _crosses_itself(polygon: Sequence[Point]) -> bool:
    sides = list(zip(polygon, [*polygon[1:], polygon[0]], strict=True))
    return any(
        _cross(one, other)
        for number, one in enumerate(sides)
        for other in sides[number + 2 : len(sides) - (number == 0)]
    )


def _cross(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    def side(line: tuple[Point, Point], point: Point) -> float:
        (x1, y1), (x2, y2) = line
        return (x2 - x1) * (point[1] - y1) - (y2 - y1) * (point[0] - x1)

    return (
        side(one, other[0]) * side(one, other[1]) < 0.0
        and side(other, one[0]) * side(other, one[1]) < 0.0
    )
