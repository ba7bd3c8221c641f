"""Distribution of the time to the answer under each policy, over all captured frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.figures.exhibit import Exhibit
from analysis.figures.style import BLACK, blank, plain_ticks, styled, styles
from analysis.figures.table import Cell, Column, Table
from analysis.simulator.judge import OURS
from netem.results.rows import FrameRow

_TICKS_MS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_QUANTILES = (0.5, 0.9, 0.99)

Floats = NDArray[np.float64]


@styled
def by_policy(
    frames: Mapping[str, Sequence[FrameRow]], slo_ms: float, name: str, title: str
) -> Exhibit:
    """Share of measured frames by the time until the publisher has the answer, a line for each
    policy; a frame without an answer never counts. Raises ValueError for a policy without measured
    frames."""
    figure = blank(3.4)
    axes = figure.subplots()
    table = Table(
        (
            Column("policy"), Column("captured", ",d"), Column("answered", ".2%"),
            Column(f"within {slo_ms:g} ms", ".2%"),
            *(Column(f"p{100 * q:g} of captured, ms", ".1f") for q in _QUANTILES),
        )
    )  # fmt: skip
    policies = sorted(frames, key=lambda policy: (policy != OURS, policy))
    slowest = 1.5 * slo_ms
    for policy, style in styles(policies).items():
        measured = [frame for frame in frames[policy] if frame.measured]
        if not measured:
            raise ValueError(f"{title}: {policy} has no measured frames")
        took: Floats = np.sort(
            [f.returned_ms - f.captured_ms for f in measured if f.returned_ms is not None]
        )
        shares = np.arange(1, len(took) + 1) / len(measured)
        table.add(
            policy, len(measured), len(took) / len(measured),
            float(np.count_nonzero(took <= slo_ms)) / len(measured),
            *(_quantile(took, len(measured), share) for share in _QUANTILES),
        )  # fmt: skip
        every = max(1, len(took) // 10)
        axes.plot(
            took, shares, **style.line(), markevery=(every // 2, every), markersize=4,
            drawstyle="steps-post", label=policy,
            markerfacecolor=style.colour if policy == OURS else "white",
        )  # fmt: skip
        slowest = max(slowest, float(took[-1]) if len(took) else 0.0)
    axes.axvline(slo_ms, color=BLACK, lw=0.9, linestyle=(0, (6, 3)))
    axes.annotate(
        f"objective, {slo_ms:g} ms", (slo_ms, 1.01), (0, 3), textcoords="offset points",
        ha="center", fontsize=8, annotation_clip=False,
    )  # fmt: skip
    axes.set(
        xscale="log", xlim=(min(10.0, slo_ms / 5), 1.1 * slowest), ylim=(0, 1.01),
        xlabel="ms from capture until the publisher has the answer (logarithmic)",
        ylabel="share of captured frames",
    )  # fmt: skip
    plain_ticks(axes.xaxis, [tick for tick in _TICKS_MS if tick <= 1.1 * slowest])
    figure.legend(loc="outside right center")
    return Exhibit(
        name,
        title,
        "Of all measured frames, answered or not: a line that ends below 1 lacks the frames "
        "that were dropped or lost. Higher and further left is better.",
        figure,
        table,
    )


def _quantile(took: Floats, captured: int, share: float) -> Cell:
    """The time until that share of all captured frames was answered; None if it never was."""
    place = int(np.ceil(share * captured)) - 1
    return float(took[place]) if place < len(took) else None
