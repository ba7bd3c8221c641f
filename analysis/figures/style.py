"""The style of figures: legible in print, in grey, and to the colour-blind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

# Okabe and Ito's palette, distinguishable with every kind of colour vision; without yellow, which
# vanishes on paper. Colour is never alone: markers or dashes make the same distinction.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#777777"
WIDTH_IN = 7.2  # of both columns of a page
ROUND_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)  # of logarithmic axes

_RC: dict[Any, Any] = {
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 2.6,
    "lines.linewidth": 1.5,
    "lines.markersize": 5,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    "svg.hashsalt": "edge",
}

_P = ParamSpec("_P")
_R = TypeVar("_R")
_K = TypeVar("_K")


@dataclass(frozen=True, slots=True)
class FigureStyle:
    """Colour, marker and dash of one series, the same in all panels of a figure."""

    colour: str
    marker: str
    dash: str | tuple[int, tuple[int, ...]]

    def line(self) -> dict[str, Any]:
        """Keywords of `Axes.plot`."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.dash}


STYLES = (
    FigureStyle(BLUE, "o", "-"),
    FigureStyle(VERMILION, "s", "--"),
    FigureStyle(GREEN, "^", "-."),
    FigureStyle(PURPLE, "D", ":"),
    FigureStyle(ORANGE, "v", (0, (5, 1, 1, 1, 1, 1))),
    FigureStyle(SKY, "P", (0, (8, 2))),
    FigureStyle(BLACK, "X", (0, (1, 1))),
)


def styles(names: Iterable[_K]) -> dict[_K, FigureStyle]:
    """A style for each name, in order; the eighth is the first again."""
    return {name: STYLES[index % len(STYLES)] for index, name in enumerate(names)}


def styled(draw: Callable[_P, _R]) -> Callable[_P, _R]:
    """Makes a function draw in the project's style, whatever the caller's is."""

    @wraps(draw)
    def inner(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with mpl.rc_context(_RC):
            return draw(*args, **kwargs)

    return inner


def blank(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """An empty figure of a page's width, without a window or global state."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def label_ends(axes: Axes, ends: Iterable[tuple[float, float, str, str]], gap: float) -> None:
    """Labels to the right of lines' ends (x, y, text, colour), at least `gap` apart in y; on a
    logarithmic axis the gap is a ratio."""
    placed: list[float] = []
    is_log = axes.get_yscale() == "log"
    for x, y, text, colour in sorted(ends, key=lambda end: end[1]):
        at = y
        if placed:
            at = max(at, placed[-1] * gap if is_log else placed[-1] + gap)
        placed.append(at)
        axes.annotate(
            text, (x, at), (5, 0), textcoords="offset points", va="center", color=colour,
            fontsize=8, annotation_clip=False,
        )  # fmt: skip


def plain_ticks(axis: mpl.axis.Axis, ticks: Iterable[float]) -> None:
    """Sets these ticks, labelled with plain numbers, on any scale."""
    axis.set_ticks(list(ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())
