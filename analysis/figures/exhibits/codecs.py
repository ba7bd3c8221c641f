"""Bits of VP8 and of JPEGs of quality 90 at equal F1, by sent size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from analysis.figures.exhibit import Exhibit
from analysis.figures.style import (
    BLUE,
    GREEN,
    ORANGE,
    SKY,
    VERMILION,
    blank,
    plain_ticks,
    styled,
)
from analysis.figures.table import Column, Table
from edge.profile.accuracy import AccuracyError, AccuracyProfile, AccuracyRow

VIDEO = "vp8"
JPEGS: Mapping[str, str] = {"jpeg90": "square", "jpeg90-fit": "shape kept"}
SHARES = (0.98, 0.95)  # of JPEG's F1, compared besides all of it
_STEPS = 2000  # along a curve's bits, in proportion
_LOOK = {"jpeg90": (ORANGE, "s"), "jpeg90-fit": (VERMILION, "D")}
_CLIP_LINES = ((SKY, (0, (4, 1.5))), (GREEN, (0, (1, 1))))
_TICKS_MBPS = (0.1, 1, 10)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CodecCurve:
    """F1 by bitrate, between the lowest and the highest that were measured; never falls."""

    bps: Floats
    f1: Floats

    def least_bps(self, f1: float) -> float | None:
        """The lowest bitrate with at least that F1; None if there is none."""
        place = int(np.searchsorted(self.f1, f1 - 1e-9))
        return float(self.bps[place]) if place < len(self.bps) else None


@dataclass(frozen=True, slots=True)
class CodecSaving:
    """JPEGs of one size, and the VP8 that has `share` of their F1 with the same network input.

    `video_bps` is for VP8 of the same long side (None if it never has that F1), `best_bps` for the
    size of VP8 that needs the fewest bits. `is_bound`: the lowest measured bitrate already has that
    F1, so that `video_bps` is an upper bound and `times` a lower one.
    """

    jpeg: str
    long_side: int
    share: float
    jpeg_bps: float
    f1: float
    video_bps: float | None
    is_bound: bool
    best_bps: float | None
    best_long_side: int | None

    @property
    def times(self) -> float | None:
        """JPEG's bits over VP8's, at one size."""
        return None if self.video_bps is None else self.jpeg_bps / self.video_bps


class CodecComparison:
    """One network's measurements on several clips: means of F1 at equal bits.

    `long_sides` are the sent sizes at which all codecs were measured with a network input of the
    same size. Raises AccuracyError for missing measurements.
    """

    def __init__(
        self, profile: AccuracyProfile, network: str, fps: float, clips: Sequence[str] = ()
    ) -> None:
        self.fps = fps
        rows = [row for row in profile.rows if row.network == network]
        self.clips = tuple(clips) or tuple(sorted({r.clip for r in rows if r.codec == VIDEO}))
        if not self.clips:
            raise AccuracyError(f"{network}: no {VIDEO} was measured")
        self._variants = f"{network}-{{}}"
        self._rows: dict[tuple[str, str, int], list[AccuracyRow]] = {}
        for row in rows:
            if row.clip in self.clips:
                self._rows.setdefault((row.clip, row.codec, row.sent_edge), []).append(row)
        self._curves: dict[tuple[int, int], CodecCurve] = {}
        self._profiles = {
            clip: AccuracyProfile([r for r in rows if r.clip == clip and r.codec == VIDEO])
            for clip in self.clips
        }
        self.jpegs = tuple(name for name in JPEGS if any(key[1] == name for key in self._rows))
        sent = sorted({row.sent_edge for row in rows})
        self.long_sides = tuple(long_side for long_side in sent if self._has(long_side))
        self._of_video = tuple(
            long_side
            for long_side in sent
            if all((clip, VIDEO, long_side) in self._rows for clip in self.clips)
        )

    def curve(self, long_side: int, input_long_side: int) -> CodecCurve:
        """The curve of VP8 of one size."""
        if (long_side, input_long_side) not in self._curves:
            self._curves[long_side, input_long_side] = self._curve(long_side, input_long_side)
        return self._curves[long_side, input_long_side]

    def _curve(self, long_side: int, input_long_side: int) -> CodecCurve:
        measured = [self._measured(clip, VIDEO, long_side) for clip in self.clips]
        least = max(min(row.bits for row in rows) for rows in measured) * self.fps
        most = max(row.bits for rows in measured for row in rows) * self.fps
        bps = np.geomspace(least, most, _STEPS)
        of_clips = []
        for clip, rows in zip(self.clips, measured, strict=True):
            variant, pixels = self._variants.format(input_long_side), rows[0].pixels
            profile = self._profiles[clip]
            of_clips.append(
                [
                    profile.f1(variant, long_side, rate, self.fps, pixels=pixels)
                    for rate in bps.tolist()
                ]
            )
        return CodecCurve(bps, np.mean(np.array(of_clips), axis=0))

    def points(self, long_side: int, input_long_side: int) -> tuple[list[float], list[float]]:
        """VP8's measured bitrates and F1s: means over the clips, by the bitrate asked for."""
        asked: dict[float, list[AccuracyRow]] = {}
        for clip in self.clips:
            for row in self._measured(clip, VIDEO, long_side):
                if input_long_side in row.f1:
                    asked.setdefault(row.kbps, []).append(row)
        complete = [rows for rows in asked.values() if len(rows) == len(self.clips)]
        return (
            [fmean(row.bits for row in rows) * self.fps for rows in complete],
            [fmean(row.f1[input_long_side] for row in rows) for rows in complete],
        )

    def jpeg(self, name: str, long_side: int, input_long_side: int) -> tuple[float, float]:
        """(bits a second, F1) of JPEGs of quality 90."""
        rows = [self._measured(clip, name, long_side)[0] for clip in self.clips]
        for row in rows:
            if input_long_side not in row.f1:
                raise AccuracyError(
                    f"{row.clip}, {name}, {long_side} px: input side {input_long_side} "
                    "was not measured"
                )
        return fmean(r.bits for r in rows) * self.fps, fmean(r.f1[input_long_side] for r in rows)

    def saving(self, name: str, long_side: int, share: float = 1.0) -> CodecSaving:
        """The saving at one size, which is the network's input too, as in Jellyfish."""
        bps, f1 = self.jpeg(name, long_side, long_side)
        target = share * f1
        same = self.curve(long_side, long_side)
        least = same.least_bps(target)
        others = [(self.curve(each, long_side).least_bps(target), each) for each in self._of_video]
        best = min(((bits, each) for bits, each in others if bits is not None), default=None)
        return CodecSaving(
            name, long_side, share, bps, f1, least, least == float(same.bps[0]),
            best[0] if best else None, best[1] if best else None,
        )  # fmt: skip

    def savings(self, share: float = 1.0) -> list[CodecSaving]:
        """Both kinds of JPEG at each size."""
        return [
            self.saving(name, long_side, share)
            for name in self.jpegs
            for long_side in self.long_sides
        ]

    def _has(self, long_side: int) -> bool:
        codecs = [VIDEO, *self.jpegs]
        rows = [self._rows.get((clip, codec, long_side)) for clip in self.clips for codec in codecs]
        return all(found and long_side in found[0].f1 for found in rows)

    def _measured(self, clip: str, codec: str, long_side: int) -> list[AccuracyRow]:
        rows = self._rows.get((clip, codec, long_side))
        if not rows:
            raise AccuracyError(f"{clip}: {codec} of {long_side} px was not measured")
        return rows


@styled
def bits_for_equal_f1(
    profile: AccuracyProfile, network: str = "yolov4-tiny", fps: float = 15.0
) -> Exhibit:
    """F1 against bitrate at each size, and VP8's saving at JPEG's F1. `fps` is that of the measured
    clips. Raises AccuracyError."""
    whole = CodecComparison(profile, network, fps)
    if not whole.jpegs or not whole.long_sides:
        raise AccuracyError(f"{network}: {VIDEO} and JPEG were measured at no size in common")
    single = {clip: CodecComparison(profile, network, fps, [clip]) for clip in whole.clips}
    savings = whole.savings()
    nearly = [whole.savings(share) for share in SHARES]
    figure = blank(5.0)
    panels = list(figure.subplots(2, -(-(len(whole.long_sides) + 1) // 2), squeeze=False).flat)
    for axes, long_side in zip(panels, whole.long_sides, strict=False):
        _panel(axes, whole, single, [each for each in savings if each.long_side == long_side])
    rest = panels[len(whole.long_sides) :]
    _ratios(rest[0], savings, nearly[-1])
    for axes in rest[1:]:
        axes.set_axis_off()
    columns = len(panels) // 2
    for place, axes in enumerate(panels[: len(whole.long_sides)]):
        if place % columns == 0:
            axes.set_ylabel("relative F1")
        else:
            axes.tick_params(labelleft=False)
    figure.supxlabel("Mbit/s (logarithmic)", fontsize=8.5)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return Exhibit(
        "codec-bits",
        "Bits for equal F1: VP8 and JPEG of quality 90",
        f"{network}, its input as large as the sent picture's longest side; F1 relative to "
        f"{profile.reference}; {fps:g} frames a second; mean of the clips "
        f"{', '.join(whole.clips)} (VP8's dots: as measured; its line never falls). An arrow leads "
        "from JPEG to the VP8 that is as good, and says how many times fewer bits that takes; with "
        "≥, VP8's fewest measured are better still. Square: as Jellyfish sends, stretched. Last "
        "panel: the ratio by size, filled at equal F1, hollow at "
        f"{SHARES[-1]:.0%} of JPEG's; no mark: VP8 of that size never gets there.",
        figure,
        _table(savings, nearly, single),
    )


def _panel(
    axes: Axes,
    whole: CodecComparison,
    single: Mapping[str, CodecComparison],
    savings: Sequence[CodecSaving],
) -> None:
    long_side = savings[0].long_side
    for (clip, of_clip), (colour, dash) in zip(single.items(), _CLIP_LINES, strict=False):
        curve = of_clip.curve(long_side, long_side)
        axes.plot(
            curve.bps / 1e6, curve.f1, color=colour, linestyle=dash, lw=1.0, label=f"VP8, {clip}"
        )
    curve = whole.curve(long_side, long_side)
    axes.plot(curve.bps / 1e6, curve.f1, color=BLUE, lw=1.8, label="VP8, mean")
    bps, f1 = whole.points(long_side, long_side)
    axes.plot(np.array(bps) / 1e6, f1, "o", color=BLUE, ms=3)
    for saving in savings:
        colour, marker = _LOOK[saving.jpeg]
        axes.plot(
            saving.jpeg_bps / 1e6, saving.f1, linestyle="", marker=marker, ms=6, color=colour,
            markeredgecolor="black", markeredgewidth=0.6, label=f"JPEG 90, {JPEGS[saving.jpeg]}",
        )  # fmt: skip
        _arrow(axes, saving)
    axes.set(title=f"{long_side} px", xscale="log", xlim=(0.045, 14), ylim=(0.2, 1.0))
    plain_ticks(axes.xaxis, _TICKS_MBPS)


def _arrow(axes: Axes, saving: CodecSaving) -> None:
    if saving.video_bps is None or saving.times is None:
        return
    axes.annotate(
        "", (saving.video_bps / 1e6, saving.f1), (saving.jpeg_bps / 1e6, saving.f1),
        arrowprops={"arrowstyle": "->", "lw": 0.8, "color": "black", "shrinkA": 3, "shrinkB": 0},
    )  # fmt: skip
    middle = (saving.video_bps * saving.jpeg_bps) ** 0.5 / 1e6
    above = saving.jpeg == "jpeg90-fit"
    axes.annotate(
        _times(saving), (middle, saving.f1), (0, 3 if above else -3),
        textcoords="offset points", ha="center", va="bottom" if above else "top", fontsize=7.5,
    )  # fmt: skip


def _ratios(axes: Axes, savings: Sequence[CodecSaving], nearly: Sequence[CodecSaving]) -> None:
    for name, (colour, marker) in _LOOK.items():
        for of_all, dash, face in ((savings, "-", colour), (nearly, "--", "white")):
            points = [
                (s.long_side, s.times) for s in of_all if s.jpeg == name and s.times is not None
            ]
            axes.plot(
                [long_side for long_side, _ in points], [times for _, times in points],
                marker=marker, linestyle=dash, lw=1.0, color=colour, markerfacecolor=face,
                markeredgecolor="black", markeredgewidth=0.6,
            )  # fmt: skip
    axes.set(title="JPEG's bits / VP8's", xlabel="sent, px", yscale="log")
    plain_ticks(axes.yaxis, (1, 2, 5, 10, 20, 50, 100))
    axes.set_ylim(bottom=1)
    plain_ticks(axes.xaxis, (128, 320, 608))


def _table(
    savings: Sequence[CodecSaving],
    nearly: Sequence[Sequence[CodecSaving]],
    single: Mapping[str, CodecComparison],
) -> Table:
    table = Table(
        (
            Column("sent and input, px"),
            Column("JPEG 90"),
            Column("JPEG, kbit/s", ",.0f"),
            Column("F1", ".3f"),
            Column("VP8 of that size, kbit/s", ",.0f"),
            Column("times fewer"),
            *(Column(f"at {share:.0%} of F1") for share in SHARES),
            Column("VP8 of any size, kbit/s", ",.0f"),
            Column("its size, px"),
            *(Column(f"times fewer, {clip}") for clip in single),
        )
    )
    for saving, *others in sorted(
        zip(savings, *nearly, strict=True), key=lambda group: (group[0].long_side, group[0].jpeg)
    ):
        table.add(
            saving.long_side,
            JPEGS[saving.jpeg],
            saving.jpeg_bps / 1e3,
            saving.f1,
            None if saving.video_bps is None else saving.video_bps / 1e3,
            _times(saving),
            *(_times(other) for other in others),
            None if saving.best_bps is None else saving.best_bps / 1e3,
            saving.best_long_side,
            *(_times(of_clip.saving(saving.jpeg, saving.long_side)) for of_clip in single.values()),
        )
    return table


def _times(saving: CodecSaving) -> str:
    if saving.times is None:
        return "not reached"
    return f"{'≥ ' if saving.is_bound else ''}{saving.times:.1f}"
