"""Traces as a picture: the rate over time, and its distribution."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

import matplotlib.pyplot as plt

from traces.trace import Trace

# Okabe and Ito's colours for colour-blind readers, and dashes for black-and-white print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("-", "--", "-.", ":")


def draw(traces: Sequence[Trace], path: Path) -> None:
    """Write a PNG with a row for each trace's rate over time, and one for all distributions."""
    figure, axes = plt.subplots(
        len(traces) + 1, 1, figsize=(9, 2.0 * len(traces) + 3.2), layout="constrained"
    )
    below = axes[-1]
    for axis, trace, colour, dash in zip(axes, traces, cycle(COLOURS), cycle(DASHES), strict=False):
        edges_s = np.append(trace.at_ms, trace.duration_ms) / 1e3
        axis.stairs(trace.rate_bps / 1e6, edges_s, color=colour, baseline=None)
        axis.set(title=trace.name, xlabel="s", ylabel="Mbit/s", xlim=(0, edges_s[-1]))
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        shares = np.linspace(0.0, 1.0, 201)
        rates = np.array(trace.quantile_bps(*shares)) / 1e6
        below.step(rates, shares, color=colour, linestyle=dash, label=trace.name)
    below.set(xlabel="Mbit/s", ylabel="share of the time below", ylim=(0, 1))
    below.grid(alpha=0.3)
    below.legend()
    figure.savefig(path, format="png", dpi=110)
    plt.close(figure)
