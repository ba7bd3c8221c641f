"""Latency of each leg of a frame, from capture until the publisher has the answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.figures.exhibit import Exhibit
from analysis.figures.style import BLACK, STYLES, blank, plain_ticks, styled
from analysis.figures.table import Column, Table
from netem.results.rows import FrameRow

LEGS = {
    "encode": ("captured_ms", "sent_ms"),
    "network": ("sent_ms", "received_ms"),
    "decode": ("received_ms", "decoded_ms"),
    "queue": ("decoded_ms", "dispatched_ms"),
    "inference": ("dispatched_ms", "inferred_ms"),
    "back": ("inferred_ms", "returned_ms"),
}
TOTAL = "capture to answer"
_TIMES = ("captured_ms", *(end for _, end in LEGS.values()))
_MIN_MS = 0.1  # where the logarithmic axis begins
_QUANTILES = (0.5, 0.9, 0.99)
_TICKS_MS = (0.1, 1, 10, 100, 1000, 10_000)

Floats = NDArray[np.float64]


@styled
def cdf(frames: Sequence[FrameRow], slo_ms: float, name: str, title: str) -> Exhibit:
    """Distribution of each leg over the measured frames that were answered and have all times;
    `slo_ms` is marked. Raises ValueError without such frames."""
    measured = [frame for frame in frames if frame.measured]
    answered = [
        frame for frame in measured if all(getattr(frame, time) is not None for time in _TIMES)
    ]
    if not answered:
        raise ValueError(f"{title}: no frame was answered")
    times = np.array([[getattr(frame, time) for time in _TIMES] for frame in answered])
    legs: dict[str, Floats] = {
        leg: times[:, place + 1] - times[:, place] for place, leg in enumerate(LEGS)
    }
    legs[TOTAL] = times[:, -1] - times[:, 0]
    figure = blank(3.6)
    whole, tail = figure.subplots(1, 2)
    table = Table(
        (
            Column("leg"),
            *(Column(f"p{100 * q:g}, ms", ".2f") for q in _QUANTILES),
            Column("most, ms", ".2f"),
            Column("mean, ms", ".2f"),
            Column("share of the mean", ".1%"),
        )
    )
    total_ms = float(legs[TOTAL].mean())
    count = len(answered)
    shares = np.arange(1, count + 1) / count
    every = max(1, count // 8)
    for place, (leg, values) in enumerate(legs.items()):
        mean_ms = float(values.mean())
        table.add(
            leg, *(float(q) for q in np.quantile(values, _QUANTILES)), float(values.max()), mean_ms,
            mean_ms / total_ms,
        )  # fmt: skip
        style = STYLES[place % len(STYLES)]
        is_total = leg == TOTAL
        how = {
            "color": BLACK if is_total else style.colour,
            "linestyle": "-" if is_total else style.dash,
            "lw": 2.2 if is_total else 1.4,
        }  # fmt: skip
        ordered = np.maximum(np.sort(values), _MIN_MS)
        whole.plot(
            ordered, shares, **how, marker=None if is_total else style.marker, markersize=4,
            markevery=(place * every // len(legs), every), label=leg, drawstyle="steps-post",
        )  # fmt: skip
        tail.plot(ordered, 1.0 - shares + 1.0 / count, **how, drawstyle="steps-pre")
        tail.plot(
            ordered[-1], 1.0 / count, marker=style.marker if not is_total else "o", markersize=4,
            color=how["color"],
        )  # fmt: skip
    whole.set(ylim=(0, 1.0), ylabel="share that took that or less")
    tail.set(yscale="log", ylim=(0.8 / count, 1.0), ylabel="share that took that or more")
    ticks = [10.0**power for power in range(-6, 1) if 10.0**power > 0.8 / count]
    tail.yaxis.set_ticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
    most = max(2 * slo_ms, float(legs[TOTAL].max()))
    for axes in (whole, tail):
        axes.axvline(slo_ms, color=BLACK, lw=0.9, linestyle=(0, (6, 3)))
        axes.set(xscale="log", xlim=(_MIN_MS, most), xlabel="ms (logarithmic)")
        plain_ticks(axes.xaxis, [tick for tick in _TICKS_MS if tick <= most])
    figure.legend(loc="outside upper center", ncols=4)
    return Exhibit(
        name,
        title,
        f"{len(answered):,} answered of {len(measured):,} frames captured; the others have no "
        "latency, and are in the counts of misses. Encode: capture until the frame left the "
        "encoder (a light publisher's pacer); network: until its last packet arrived; queue: "
        "decoded until dispatched; back: from the detection's end until the publisher had the "
        "answer. The "
        f"dashed line is the objective, {slo_ms:g} ms; less than {_MIN_MS:g} ms is drawn as "
        "that. Right: the same, from above, to the slowest frame.",
        figure,
        table,
    )
