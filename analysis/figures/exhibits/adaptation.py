"""One client's bitrate, size, network input and latency over time, with its link."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean, median

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.exhibit import Exhibit
from analysis.figures.recorded_run import RecordedRun
from analysis.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    VERMILION,
    blank,
    plain_ticks,
    styled,
)
from analysis.figures.table import Column, Table
from edge.profile.variant import Variant
from netem.results.rows import IN_TIME, PACED, FrameRow, HintRow, LinkRow

SENT_BIN_S = 0.5  # over which the sent bitrate is averaged
_BINS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
_MOST_BINS = 16  # of the table
_TICKS_PX = (128, 320, 608, 960, 1280, 1920)
_MARKS = (("late", "x", VERMILION), ("infeasible", "1", PURPLE), ("other", "|", BLACK))


@styled
def over_time(run: RecordedRun, client: int, name: str, title: str) -> Exhibit:
    """Rates, sizes and latency of one client over a run. Raises ValueError without measured frames
    of it."""
    frames = sorted((f for f in run.frames if f.client == client), key=lambda f: f.captured_ms)
    measured = [frame for frame in frames if frame.measured]
    if not measured:
        raise ValueError(f"{title}: no measured frames of client {client}")
    link = [row for row in run.folder.link if row.client == client]
    hints = [row for row in run.folder.hints if row.client == client]
    first_s, last_s = measured[0].captured_ms / 1e3, measured[-1].captured_ms / 1e3
    figure = blank(5.6)
    rates, sizes, latency = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 3))
    _rates(rates, measured, link, hints, (first_s, last_s))
    _sizes(sizes, measured, hints, last_s)
    _latency(latency, measured, run.summary.slo_ms)
    latency.set_xlabel("time, s")
    latency.set_xlim(first_s, last_s)
    for axes in (rates, sizes, latency):
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, borderaxespad=0.1, fontsize=8
        )
    return Exhibit(
        name,
        title,
        f"Client {client} of {run.summary.clients}, {run.summary.fps:g} frames a second. Above: "
        f"the link's rate, the bitrate asked of the encoder and the bitrate sent (means of "
        f"{SENT_BIN_S:g} s). Middle: the long side sent, the one asked for, and the answering "
        "network's input. Below: latency from capture to the answer, against the objective; "
        "frames without an answer are at the top.",
        figure,
        _table(measured, link, hints),
    )


def _rates(
    axes: Axes,
    frames: Sequence[FrameRow],
    link: Sequence[LinkRow],
    hints: Sequence[HintRow],
    span_s: tuple[float, float],
) -> None:
    if link:
        at_s, mbps = [row.at_ms / 1e3 for row in link], [row.rate_bps / 1e6 for row in link]
        axes.fill_between(at_s, mbps, step="post", color=GREY, alpha=0.25, linewidth=0)
        axes.step(at_s, mbps, where="post", color=GREY, lw=1.0, label="link")
    asked = _steps([(row.at_ms / 1e3, row.max_bps / 1e6) for row in hints], span_s[1])
    if asked:
        axes.step(
            *zip(*asked, strict=True), where="post", color=VERMILION, linestyle="--", label="asked"
        )
    long_sides = np.linspace(*span_s, 1 + max(1, round((span_s[1] - span_s[0]) / SENT_BIN_S)))
    if span_s[1] > span_s[0]:
        came_s = [f.captured_ms / 1e3 for f in frames]
        bits, _ = np.histogram(came_s, long_sides, weights=[8.0 * (f.bytes or 0) for f in frames])
        sent_mbps = bits / np.diff(long_sides) / 1e6
        axes.stairs(sent_mbps, long_sides, baseline=None, color=BLUE, lw=1.6, label="sent")
        # A link may carry far more than is ever sent: the axis fits the sent and asked bitrates.
        most = max([0.01, float(sent_mbps.max()), *(each for _, each in asked)])
        if link and max(row.rate_bps for row in link) / 1e6 > 5 * most:
            axes.set_ylim(0, 5 * most)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Mbit/s")


def _sizes(axes: Axes, frames: Sequence[FrameRow], hints: Sequence[HintRow], last_s: float) -> None:
    asked = _steps([(row.at_ms / 1e3, float(row.max_edge)) for row in hints], last_s)
    if asked:
        axes.step(
            *zip(*asked, strict=True), where="post", color=VERMILION, linestyle=(0, (2, 4)),
            lw=2.2, zorder=3, label="asked for",
        )  # fmt: skip
    sent = [
        (f.captured_ms / 1e3, long_side) for f in frames if (long_side := _long_side(f)) is not None
    ]
    if sent:
        axes.step(*zip(*sent, strict=True), where="post", color=BLUE, label="sent")
    answered = [
        (f.captured_ms / 1e3, Variant.parse(f.variant).long_side) for f in frames if f.variant
    ]
    if answered:
        axes.plot(
            *zip(*answered, strict=True), linestyle="", marker=".", ms=3, color=GREEN,
            label="network's input",
        )  # fmt: skip
    axes.set_ylabel("longest side, px")
    most = max([608.0, *(float(long_side) for _, long_side in [*sent, *answered, *asked])])
    axes.set_ylim(0, 1.05 * most)
    plain_ticks(axes.yaxis, [tick for tick in _TICKS_PX if tick <= most])


def _latency(axes: Axes, frames: Sequence[FrameRow], slo_ms: float) -> None:
    in_time = [f for f in frames if f.outcome == IN_TIME]
    axes.plot(
        [f.captured_ms / 1e3 for f in in_time], [_latency_ms(f) or 0.0 for f in in_time],
        linestyle="", marker=".", ms=3, color=BLUE, label="in time",
    )  # fmt: skip
    top = 2.0 * slo_ms
    kinds: dict[str, list[tuple[float, float]]] = {kind: [] for kind, _, _ in _MARKS}
    for frame in frames:
        if frame.outcome not in (IN_TIME, PACED):
            ms = _latency_ms(frame)
            late = "late" if frame.outcome == "late" else "other"
            kind = "infeasible" if frame.infeasible else late
            kinds[kind].append((frame.captured_ms / 1e3, min(top, top if ms is None else ms)))
    for kind, marker, colour in _MARKS:
        if kinds[kind]:
            axes.plot(
                *zip(*kinds[kind], strict=True), linestyle="", marker=marker, ms=5, color=colour,
                label=f"{kind} ({len(kinds[kind])})", clip_on=False,
            )  # fmt: skip
    axes.axhline(slo_ms, color=ORANGE, lw=1.2)
    axes.annotate(
        f"objective, {slo_ms:g} ms", (0, slo_ms), (3, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", va="bottom", fontsize=8,
    )  # fmt: skip
    axes.set(ylim=(0, 1.05 * top), ylabel="latency, ms")


def _table(frames: Sequence[FrameRow], link: Sequence[LinkRow], hints: Sequence[HintRow]) -> Table:
    """A line for every few seconds; each measured frame is in one of them."""
    first_s, last_s = frames[0].captured_ms / 1e3, frames[-1].captured_ms / 1e3
    bin_s = next((b for b in _BINS_S if (last_s - first_s) / b <= _MOST_BINS), _BINS_S[-1])
    table = Table(
        (
            Column("from, s", "g"), Column("link, Mbit/s", ".2f"), Column("asked, Mbit/s", ".2f"),
            Column("sent, Mbit/s", ".2f"), Column("sent side, px", ".0f"), Column("variant"),
            Column("frames"), Column("in time"), Column("missed"), Column("infeasible"),
            Column("paced"), Column("p50, ms", ".1f"), Column("most, ms", ".1f"),
        )
    )  # fmt: skip
    start_s = bin_s * np.floor(first_s / bin_s)
    while start_s <= last_s:
        end_s = start_s + bin_s
        part = [f for f in frames if start_s <= f.captured_ms / 1e3 < end_s]
        if part:
            of_link = [r.rate_bps / 1e6 for r in link if start_s <= r.at_ms / 1e3 < end_s]
            long_sides = [long_side for f in part if (long_side := _long_side(f)) is not None]
            took = [ms for f in part if (ms := _latency_ms(f)) is not None]
            variants = Counter(f.variant for f in part if f.variant)
            infeasible = sum(f.infeasible and f.outcome != PACED for f in part)
            ends = Counter(f.outcome for f in part)
            missed = len(part) - ends[IN_TIME] - ends[PACED] - infeasible
            asked = [row.max_bps for row in hints if row.at_ms / 1e3 < end_s]
            lasted_s = min(end_s, last_s) - max(start_s, first_s)
            sent = sum(8.0 * (f.bytes or 0) for f in part) / lasted_s / 1e6 if lasted_s else None
            table.add(
                float(start_s), fmean(of_link) if of_link else None,
                asked[-1] / 1e6 if asked else None, sent, median(long_sides) if long_sides else
                None, variants.most_common(1)[0][0] if variants else None, len(part),
                ends[IN_TIME], missed, infeasible, ends[PACED],
                median(took) if took else None, max(took, default=None),
            )  # fmt: skip
        start_s = end_s
    return table


def _steps(points: list[tuple[float, float]], last_s: float) -> list[tuple[float, float]]:
    """The points, with the last value continued to the end."""
    return [*points, (last_s, points[-1][1])] if points else []


def _long_side(frame: FrameRow) -> int | None:
    sides = [side for side in (frame.width, frame.height) if side is not None]
    return max(sides, default=None)


def _latency_ms(frame: FrameRow) -> float | None:
    return None if frame.returned_ms is None else frame.returned_ms - frame.captured_ms
