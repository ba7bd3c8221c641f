"""How well a variant sees what arrives: relative F1 by sent size, bits and codec, as measured.

Relative to the file's reference: the most accurate variant at hand on the untouched frames.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from edge.profile.accuracy_surface import AccuracyCurve, Floats, Grid, Point, build
from edge.profile.variant import LONG_SIDES, NETWORKS, Variant

ByEdge = Mapping[int, float]

_MOST_CURVES = 4096  # kept; sent sizes are the clients' choice


class AccuracyError(ValueError):
    """A file that can't be used, or a question it can't answer; the message names the field."""


@dataclass(frozen=True, slots=True)
class AccuracyRow:
    """One encode of one clip, and what `network` found in it at each input side.

    `kbps` is what was asked of the encoder (0: it takes no rate), `bits` what it made of a frame,
    `pixels` a sent picture's. `f1` and `ap` (IoU 0.5) are relative to the reference, by input
    edge; `absolute` is against annotations: input side -> {"f1", "ap50", "ap"}.
    """

    network: str
    clip: str
    codec: str
    sent_edge: int
    pixels: int
    kbps: float
    bits: float
    f1: ByEdge
    ap: ByEdge
    absolute: Mapping[int, Mapping[str, float]] = field(default_factory=dict)


class AccuracyProfile:
    """Relative F1 (0..1) of each variant by sent longest side, bitrate and codec.

    Each clip's measured points make a surface, and the surfaces' mean is what is asked of. Along
    the bits the points are fitted by the nearest curve that never falls, over the logarithm of bits
    a *pixel*, so that a picture of another shape finds its place. Beyond the most bits and the
    largest size measured it stays; below the fewest bits, and the smallest size, it goes down in
    proportion. Between sizes, sent or of the network's input, it is linear.

    `as_network` names the network whose figures also stand for those that the file doesn't hold;
    without it, asking for such a network is an AccuracyError.
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
        self.reference, self.machine, self.command = reference, machine, command
        self.clips, self.versions = dict(clips or {}), dict(versions or {})
        for row in self.rows:
            _check(row)
        groups: dict[tuple[str, str], dict[str, list[Point]]] = {}
        for row in self.rows:
            of_clip = groups.setdefault((row.network, row.codec), {}).setdefault(row.clip, [])
            of_clip.append(Point(row.sent_edge, row.bits / row.pixels, row.f1))
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
        """The least bits a second with `share` of what F1 reaches with any number of them."""
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
            columns = [LONG_SIDES.index(parsed[i].long_side) for i in places]
            table[:, places] = self._grid(network, codec).table(long_sides, bits, columns)
        return table

    def _curve(self, variant: str, sent_long_side: int, codec: str) -> AccuracyCurve:
        key = (variant, sent_long_side, codec)
        curve = self._curves.get(key)
        if curve is None:
            if sent_long_side < 1:
                raise ValueError(f"a sent side of {sent_long_side}")
            parsed = Variant.parse(variant)
            curve = self._grid(parsed.network, codec).curve(sent_long_side, parsed.long_side)
            if len(self._curves) >= _MOST_CURVES:
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

    # Files

    @classmethod
    def load(cls, path: Path, *, as_network: str | None = None) -> AccuracyProfile:
        """Reads a file; raises AccuracyError for what it can't use, OSError as open does."""
        try:
            data = json.loads(path.read_text())
        except ValueError as error:
            raise AccuracyError(f"{path}: not JSON: {error}") from error
        try:
            return cls.from_json(data, as_network=as_network)
        except AccuracyError as error:
            raise AccuracyError(f"{path}: {error}") from error

    def save(self, path: Path) -> None:
        """Writes the file whole or not at all, one row a line."""
        head = json.dumps(
            {
                "machine": self.machine,
                "versions": self.versions,
                "command": self.command,
                "reference": self.reference,
                "clips": self.clips,
            },
            indent=2,
        )
        lines = ",\n".join("    " + json.dumps(_plain(row)) for row in self.rows)
        partial = path.with_name(f".{path.name}.part")
        partial.write_text(f'{head[:-2]},\n  "rows": [\n{lines}\n  ]\n}}\n')
        partial.replace(path)

    @classmethod
    def from_json(cls, data: Any, *, as_network: str | None = None) -> AccuracyProfile:
        """A profile from its parsed JSON; raises AccuracyError naming the field."""
        if not isinstance(data, dict):
            raise AccuracyError("an accuracy profile is a JSON object")
        items = data.get("rows")
        if not isinstance(items, list) or not items:
            raise AccuracyError("rows: must be a list of measurements")
        rows = []
        for index, item in enumerate(items):
            try:
                rows.append(_row(item))
                _check(rows[-1])
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise AccuracyError(f"rows[{index}]: {error!r}") from error
        texts: dict[str, dict[str, str]] = {}
        for name in ("clips", "versions"):
            value = data.get(name) or {}
            if not isinstance(value, dict):
                raise AccuracyError(f"{name}: must be an object")
            texts[name] = {str(k): str(v) for k, v in value.items()}
        return cls(
            rows,
            reference=str(data.get("reference", "")),
            clips=texts["clips"],
            machine=str(data.get("machine", "")),
            versions=texts["versions"],
            command=str(data.get("command", "")),
            as_network=as_network,
        )


def wide_pixels(long_side: int) -> int:
    """Pixels of a 16:9 picture with this longest side."""
    return max(1, long_side * long_side * 9 // 16)


def _row(item: Any) -> AccuracyRow:
    return AccuracyRow(
        network=str(item["network"]),
        clip=str(item["clip"]),
        codec=str(item["codec"]),
        sent_edge=int(item["sent_edge"]),
        pixels=int(item["pixels"]),
        kbps=float(item["kbps"]),
        bits=float(item["bits"]),
        f1={int(long_side): float(value) for long_side, value in item["f1"].items()},
        ap={int(long_side): float(value) for long_side, value in item["ap"].items()},
        absolute={
            int(long_side): {str(name): float(value) for name, value in values.items()}
            for long_side, values in item.get("absolute", {}).items()
        },
    )


def _plain(row: AccuracyRow) -> dict[str, Any]:
    plain = asdict(row)
    if not row.absolute:
        del plain["absolute"]
    return plain


def _check(row: AccuracyRow) -> None:
    if row.network not in NETWORKS:
        raise AccuracyError(f"network {row.network!r}: one of {', '.join(NETWORKS)}")
    if row.sent_edge < 1 or row.pixels < 1:
        raise AccuracyError("sent_edge and pixels must be positive")
    if not 0.0 < row.bits < math.inf or not 0.0 <= row.kbps < math.inf:
        raise AccuracyError("bits must be positive, kbps not negative")
    if not row.f1:
        raise AccuracyError("f1: must have an input side")
    for name, values in (("f1", row.f1), ("ap", row.ap)):
        for long_side, value in values.items():
            if long_side not in LONG_SIDES:
                raise AccuracyError(f"{name}: input side {long_side}: 128 to 608 in steps of 32")
            if not 0.0 <= value <= 1.0:
                raise AccuracyError(f"{name}[{long_side}]: must be from 0 to 1")
