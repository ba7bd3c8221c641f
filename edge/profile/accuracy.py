"""A variant's accuracy on video as it arrives: relative F1 by sent size, bits and codec.

Relative to the file's reference: the most accurate variant at hand on the untouched frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from edge.profile.accuracy_surface import AccuracyCurve, Floats, Grid, Point, build
from edge.profile.variant import LONG_SIDES, Variant

ByLongSide = Mapping[int, float]

MAX_CACHED_CURVES = 4096  # sent sizes are the clients' choice


class AccuracyError(ValueError):
    """A file that can't be used, or a network or codec that was not measured."""


@dataclass(frozen=True, slots=True)
class AccuracyRow:
    """One encode of one clip, and the accuracy of `network` on it at each input side.

    `sent_edge` is the long side of the sent picture in pixels, `pixels` its area. `kbps` is the
    rate asked of the encoder (0: it takes none), `bits` the mean size of a frame that it made. `f1`
    and `ap` (IoU 0.5), by input side, are relative to the reference; `absolute` is against
    annotations: input side -> {"f1", "ap50", "ap"}. `f1_interval` is the 95 % interval of `f1`.
    """

    network: str
    clip: str
    codec: str
    sent_edge: int
    pixels: int
    kbps: float
    bits: float
    f1: ByLongSide
    ap: ByLongSide
    absolute: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    f1_interval: Mapping[int, tuple[float, float]] = field(default_factory=dict)

    def check(self) -> None:
        """Raises ValueError, naming the field and the rule, unless a profile can hold the row."""
        Variant(self.network, LONG_SIDES[0])
        if self.sent_edge < 1 or self.pixels < 1:
            raise ValueError("sent_edge and pixels must be positive")
        if not 0.0 < self.bits < math.inf or not 0.0 <= self.kbps < math.inf:
            raise ValueError("bits must be positive, kbps not negative")
        if not self.f1:
            raise ValueError("f1: must have an input side")
        for name, values in (("f1", self.f1), ("ap", self.ap)):
            for long_side, value in values.items():
                if long_side not in LONG_SIDES:
                    raise ValueError(f"{name}: input side {long_side}: 128 to 608 in steps of 32")
                if not 0.0 <= value <= 1.0:
                    raise ValueError(f"{name}[{long_side}]: must be from 0 to 1")
        for long_side, (low, high) in self.f1_interval.items():
            if long_side not in self.f1:
                raise ValueError(f"f1_interval: input side {long_side}: f1 has none of it")
            if not 0.0 <= low <= high <= 1.0:
                raise ValueError(f"f1_interval[{long_side}]: 0 <= low <= high <= 1 must hold")


class AccuracyProfile:
    """Relative F1 (0..1) of each variant by sent long side, bitrate and codec.

    Each clip's measured points make a surface, and queries read the surfaces' mean. Along the bits
    the points are fitted by the nearest curve that never falls, over the logarithm of bits a
    *pixel*, so that a picture of another shape has its place on it; the surer a point, the more it
    counts. Nor does the surface fall as larger pictures are sent with as many bits a pixel. Beyond
    the most bits and the largest size measured F1 stays constant; below the fewest bits, and the
    smallest size, it falls in proportion. Between sizes, sent or of the input, it is linear.

    `as_network` names the network whose figures also stand for those that the file doesn't hold;
    without it, a query for such a network raises AccuracyError.
    """

    def __init__(
        self,
        rows: Iterable[AccuracyRow],
        *,
        reference: str = "",
        clips: Mapping[str, str] | None = None,
        machine: str = "",
        versions: Mapping[str, str] | None = None,
        command: str = "",
        as_network: str | None = None,
    ) -> None:
        self.rows = tuple(rows)
        for index, row in enumerate(self.rows):
            try:
                row.check()
            except ValueError as error:
                raise AccuracyError(f"rows[{index}]: {error}") from error
        self.reference, self.machine, self.command = reference, machine, command
        self.clips, self.versions = dict(clips or {}), dict(versions or {})
        groups: dict[tuple[str, str], dict[str, list[Point]]] = {}
        for row in self.rows:
            of_clip = groups.setdefault((row.network, row.codec), {}).setdefault(row.clip, [])
            of_clip.append(Point(row.sent_edge, row.bits / row.pixels, row.f1, row.f1_interval))
        self._grids = {key: build(list(clips.values())) for key, clips in groups.items()}
        self.networks = tuple(sorted({network for network, _ in groups}))
        if as_network is not None and as_network not in self.networks:
            raise AccuracyError(f"as_network: {as_network} was not measured")
        self._as_network = as_network
        self._curves: dict[tuple[str, int, str], AccuracyCurve] = {}

    def f1(
        self,
        variant: str,
        sent_long_side: int,
        bps: float,
        fps: float,
        *,
        codec: str = "vp8",
        pixels: int | None = None,
    ) -> float:
        """Relative F1, 0..1, of a stream of `bps` at `fps`; never falls as `bps` grows.

        `pixels` are a sent picture's; default: as of one of 16:9. About a microsecond.
        """
        curve = self._curve(variant, sent_long_side, codec)
        return curve.at(bps / fps / (pixels or wide_pixels(sent_long_side)))

    def enough_bps(
        self,
        variant: str,
        sent_long_side: int,
        fps: float,
        share: float = 0.98,
        *,
        codec: str = "vp8",
        pixels: int | None = None,
    ) -> float:
        """The least bits a second that give `share` of the F1 with unlimited bits."""
        if not 0.0 < share <= 1.0:
            raise ValueError(f"a share of {share}: more than 0, at most 1")
        curve = self._curve(variant, sent_long_side, codec)
        return curve.enough(share) * fps * (pixels or wide_pixels(sent_long_side))

    def f1_table(
        self,
        variants: Sequence[str],
        sent_long_sides: ArrayLike,
        bits_a_pixel: ArrayLike,
        *,
        codec: str = "vp8",
    ) -> Floats:
        """`f1` of every variant (columns) for each pair of sent side and bits a pixel (rows)."""
        long_sides = np.atleast_1d(np.asarray(sent_long_sides, dtype=float))
        bits = np.atleast_1d(np.asarray(bits_a_pixel, dtype=float))
        parsed = [Variant.parse(name) for name in variants]
        table = np.empty((len(long_sides), len(parsed)))
        for network in {variant.network for variant in parsed}:
            places = [i for i, variant in enumerate(parsed) if variant.network == network]
            columns = [LONG_SIDES.index(_measured(parsed[i].long_side)) for i in places]
            table[:, places] = self._grid(network, codec).table(long_sides, bits, columns)
        return table

    def _curve(self, variant: str, sent_long_side: int, codec: str) -> AccuracyCurve:
        key = (variant, sent_long_side, codec)
        curve = self._curves.get(key)
        if curve is None:
            if sent_long_side < 1:
                raise ValueError(f"a sent side of {sent_long_side}")
            parsed = Variant.parse(variant)
            long_side = _measured(parsed.long_side)
            curve = self._grid(parsed.network, codec).curve(sent_long_side, long_side)
            if len(self._curves) >= MAX_CACHED_CURVES:
                self._curves.clear()
            self._curves[key] = curve
        return curve

    def _grid(self, network: str, codec: str) -> Grid:
        if network not in self.networks:
            if self._as_network is None:
                raise AccuracyError(
                    f"{network} was not measured, only {', '.join(self.networks)}: as_network "
                    "can name one to stand in for it"
                )
            network = self._as_network
        grid = self._grids.get((network, codec))
        if grid is None:
            codecs = sorted(each for name, each in self._grids if name == network)
            raise AccuracyError(f"codec {codec} was not measured, only {', '.join(codecs)}")
        return grid


def _measured(long_side: int) -> int:
    """The measured input side that stands for a model's: beyond the ends, the end."""
    return min(max(long_side, LONG_SIDES[0]), LONG_SIDES[-1])


def wide_pixels(long_side: int) -> int:
    """Pixels of a 16:9 picture with this longest side."""
    return max(1, long_side * long_side * 9 // 16)
