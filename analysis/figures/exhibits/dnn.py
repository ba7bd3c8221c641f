"""Latency of networks by variant and batch, and their F1 by variant and bitrate."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.figures.exhibit import Exhibit
from analysis.figures.style import ROUND_TICKS, blank, label_ends, plain_ticks, styled, styles
from analysis.figures.table import Column, Table
from edge.profile.accuracy import AccuracyProfile
from edge.profile.latency import LatencyProfile
from edge.profile.variant import NETWORKS, Variant

LONG_SIDES = (128, 224, 320, 416, 512, 608)
KBPS = (60, 120, 250, 500, 1000, 2000)
SHAPE = (1280, 720)


@styled
def latency(
    profile: LatencyProfile,
    name: str,
    *,
    shape: tuple[int, int] = SHAPE,
    long_sides: Sequence[int] = LONG_SIDES,
) -> Exhibit:
    """A device's latency by variant and batch, a panel for each network; `name` is the figure's."""
    measured = {Variant.parse(entry.variant).network for entry in profile.entries}
    networks = [network for network in NETWORKS if network in measured]
    batches = sorted({entry.batch for entry in profile.entries})
    figure = blank(3.4)
    panels = figure.subplots(1, len(networks), squeeze=False, sharey=True)[0]
    table = Table(
        (
            Column("variant"), Column("input"), Column("batch"), Column("p50, ms", ".2f"),
            Column("p99, ms", ".2f"), Column("p50 a picture, ms", ".2f"),
        )
    )  # fmt: skip
    for axes, network in zip(panels, networks, strict=True):
        ends = []
        apart = 0.012 * (
            batches[-1] - batches[0]
        )  # between whiskers, so that they do not hide each other
        for place, (long_side, style) in enumerate(styles(long_sides).items()):
            variant = Variant(network, long_side)
            size = variant.input_size(*shape)
            p50 = [profile.typical_ms(variant.name, size, batch) for batch in batches]
            p99 = [profile.latency_ms(variant.name, size, batch) for batch in batches]
            axes.plot(batches, p50, **style.line())
            up = [worst - usual for usual, worst in zip(p50, p99, strict=True)]
            shifted = [batch - apart * (len(long_sides) - 1 - place) for batch in batches]
            axes.errorbar(
                shifted, p50, [[0.0] * len(up), up], color=style.colour, linestyle="",
                elinewidth=0.7, capsize=2,
            )  # fmt: skip
            ends.append((batches[-1], p50[-1], f"{long_side}", style.colour))
            for batch, usual, worst in zip(batches, p50, p99, strict=True):
                shown = f"{size[0]}x{size[1]}"
                table.add(variant.name, shown, batch, usual, worst, usual / batch)
        axes.set(title=network, xlabel="pictures in a batch", yscale="log")
        plain_ticks(axes.xaxis, batches)
        label_ends(axes, ends, 1.12)
    panels[0].set_ylabel("latency of a batch, ms (logarithmic)")
    low, high = panels[0].get_ylim()
    plain_ticks(panels[0].yaxis, [tick for tick in ROUND_TICKS if low <= tick <= high])
    return Exhibit(
        f"dnn-latency-{name}",
        f"Latency by variant and batch: {name}",
        f"{profile.machine or profile.device}. Pictures of {shape[0]}x{shape[1]} scaled to the "
        "longest side that each line's end names, in pixels; lines are medians, whiskers "
        "reach to the 99th percentile.",
        figure,
        table,
    )


@styled
def accuracy(
    profile: AccuracyProfile,
    network: str = "yolov4-tiny",
    *,
    long_sides: Sequence[int] = LONG_SIDES,
    fps: float = 15.0,
) -> Exhibit:
    """F1 by the network's input size, a line for each bitrate of VP8, sent at its best size."""
    figure = blank(3.2)
    axes = figure.subplots()
    table = Table((Column("variant"), *(Column(f"F1 at {kbps:,} kbit/s", ".3f") for kbps in KBPS)))
    sent_long_sides = sorted({row.sent_edge for row in profile.rows if row.network == network})
    names = [Variant(network, long_side).name for long_side in long_sides]
    best = [
        [max(profile.f1(name, sent, 1e3 * kbps, fps) for sent in sent_long_sides) for kbps in KBPS]
        for name in names
    ]
    for name, values in zip(names, best, strict=True):
        table.add(name, *values)
    ends = []
    for place, (kbps, style) in enumerate(styles(KBPS).items()):
        values = [row[place] for row in best]
        axes.plot(long_sides, values, **style.line())
        ends.append((long_sides[-1], values[-1], f"{kbps:,} kbit/s", style.colour))
    axes.set(xlabel="network's input, longest side in px", ylabel="relative F1", ylim=(0, 1))
    plain_ticks(axes.xaxis, long_sides)
    label_ends(axes, ends, 0.05)
    return Exhibit(
        "dnn-accuracy",
        "F1 by variant and bitrate",
        f"{network}, F1 relative to {profile.reference}; VP8 at {fps:g} frames a second, 16:9, at "
        f"each bitrate sent at its best size; clips {', '.join(profile.clips)}.",
        figure,
        table,
    )
