"""Points of the server's charts, combined over longer times. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Value = float | None
Point = Mapping[str, Value]

WORST = ("strain_p99", "waiting", "lag_ms", "link_max")  # the highest counts
LEAST = ("link_min",)
MEANS = ("sessions", "strain_p50", "link_p50")
_MEAN_PREFIX = "util_"


def combine(points: Sequence[Point]) -> dict[str, Value]:
    """One point for several: the mean of what is a level, the worst of what is a peak, and the
    mean a second of what is a count. A column without a value in any of them has none."""
    combined: dict[str, Value] = {}
    for column in dict.fromkeys(name for point in points for name in point):
        values = [value for point in points if (value := point.get(column)) is not None]
        if not values:
            combined[column] = None
        elif column in WORST:
            combined[column] = max(values)
        elif column in LEAST:
            combined[column] = min(values)
        elif column in MEANS or column.startswith(_MEAN_PREFIX):
            combined[column] = _rounded(sum(values) / len(values))
        else:  # counts a second
            combined[column] = _rounded(sum(values) / len(points))
    return combined


def to_columns(rows: Sequence[tuple[float, Point]], step_s: float) -> dict[str, list[Value]]:
    """Rows (time, point), oldest first, as columns with a value each `step_s`; `t` is the end."""
    groups: dict[int, list[tuple[float, Point]]] = {}
    for at_s, point in rows:
        groups.setdefault(int(at_s // step_s), []).append((at_s, point))
    combined = [(group[-1][0], combine([point for _, point in group])) for group in groups.values()]
    names = dict.fromkeys(name for _, point in combined for name in point)
    return {
        "t": [at_s for at_s, _ in combined],
        **{name: [point.get(name) for _, point in combined] for name in names},
    }


def _rounded(value: float) -> float:
    """To four significant digits, more than a chart can show."""
    return float(f"{value:.4g}")
