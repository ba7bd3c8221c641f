"""Boxes that move as they are told, for the tests of tracks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Box = tuple[int, float, float, float, float, float]


def box(
    x: float,
    y: float,
    *,
    width: float = 0.06,
    height: float = 0.2,
    kind: int = 0,
    score: float = 0.9,
) -> Box:
    """A box by its centre, in fractions of the picture."""
    return (kind, score, x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def pictures(
    things: Sequence[Callable[[float], Box | None]], seconds: float, fps: float = 10.0
) -> list[tuple[float, list[Box]]]:
    """(time, boxes) of each picture; a thing gives its box at a time, or None."""
    times_s = [index / fps for index in range(round(seconds * fps))]
    return [
        (at_s, [found for thing in things if (found := thing(at_s)) is not None])
        for at_s in times_s
    ]
