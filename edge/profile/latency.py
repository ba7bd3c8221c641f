"""What a device's batches take: measured beforehand, kept true while serving."""

import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.profile.drift import DeviceDrift, DriftWindow
from edge.profile.variant import Variant

SETTLE_MS = 250.0
HANDOVER_STEP_MS = 0.25  # a change that is worth a new version
MOST_HANDOVER_MS = 1_000.0
Size = tuple[int, int]
Table = NDArray[np.float64]


class ProfileError(ValueError):
    """A profile file that can't be used; the message names the field."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One measurement: `batch` pictures of `width` x `height` (the network's input), in ms."""

    variant: str
    width: int
    height: int
    batch: int
    p50_ms: float
    p99_ms: float


@dataclass(slots=True)
class _Surface:
    """Latency over (pixel counts, batch sizes); rows ascend, and so do values along both axes."""

    pixels: list[int]
    table: Table

    def row(self, pixels: int) -> Table:
        """All batch sizes at a pixel count: linear between rows, flat below the first, and in
        proportion to the pixels above the last."""
        if pixels <= self.pixels[0]:
            return np.asarray(self.table[0])
        if pixels >= self.pixels[-1]:
            return np.asarray(self.table[-1] * (pixels / self.pixels[-1]))
        high = bisect_right(self.pixels, pixels)
        low_pixels, high_pixels = self.pixels[high - 1], self.pixels[high]
        part = (pixels - low_pixels) / (high_pixels - low_pixels)
        return np.asarray(self.table[high - 1] * (1 - part) + self.table[high] * part)


def _fill(measured: Mapping[int, float], max_batch: int) -> list[float]:
    """Latency for each batch size from 1 to `max_batch`.

    An unmeasured batch takes at most what the next larger measured one takes, and at most its
    images at the per-image cost of the next smaller one: the lower of these two bounds.
    """
    known = sorted(measured)
    latencies = []
    for batch in range(1, max_batch + 1):
        bounds = [measured[b] for b in known if b >= batch][:1]
        smaller = [b for b in known if b <= batch]
        if smaller:
            bounds.append(measured[smaller[-1]] * batch / smaller[-1])
        latencies.append(min(bounds))
    return latencies


def _consistent(table: Table, known: NDArray[np.bool_]) -> Table:
    """Latencies that never fall along either axis.

    What is only inferred first gives way to what is known of more pixels or larger batches: those
    can't be faster. What is left of inversions is levelled upward.
    """
    bound = np.where(known, table, math.inf)[::-1, ::-1]
    bound = np.minimum.accumulate(np.minimum.accumulate(bound, axis=0), axis=1)[::-1, ::-1]
    table = np.where(known, table, np.minimum(table, bound))
    return np.asarray(np.maximum.accumulate(np.maximum.accumulate(table, axis=1), axis=0))


class LatencyProfile:
    """A device's latency for each (variant, input size, batch), as conservative as a p99.

    Only the network's name and the number of input pixels matter, so the entries of one network
    make one surface, and any shape finds its place on it. `version` changes whenever latencies do.
    """

    def __init__(
        self,
        entries: Iterable[Entry],
        *,
        device: str = "",
        machine: str = "",
        versions: Mapping[str, str] | None = None,
        command: str = "",
        max_batch: int | None = None,
    ) -> None:
        self.entries = tuple(entries)
        self.device, self.machine, self.command = device, machine, command
        self.versions = dict(versions or {})
        for entry in self.entries:
            _check(entry)
        self.max_batch = max_batch or max((e.batch for e in self.entries), default=1)
        self.version = 0
        self._drift = DeviceDrift()
        self._handover = DriftWindow()
        self._added99_ms = self._added50_ms = 0.0
        """Of the handover, what `latency_ms` and `typical_ms` hold."""
        self._now_ms = -math.inf
        self._built_ms = -math.inf
        self._dirty = False
        self._networks: dict[str, str] = {}
        self._declared99: dict[str, _Surface] = {}
        self._declared50: dict[str, _Surface] = {}
        self._build_declared()
        self._p99 = dict(self._declared99)
        self._p50 = dict(self._declared50)
        self._rows: dict[tuple[str, Size], list[float]] = {}
        self._typical_rows: dict[tuple[str, Size], list[float]] = {}

    # What a batch takes

    def latency_ms(self, variant: str, input_size: Size, batch: int) -> float:
        """Latency of a batch, a p99; infinite for a network that the profile doesn't hold.

        With the way to the device and back, as far as it was observed. Never falls as batch or
        pixel count grow.
        """
        return self._at(self.latency_row(variant, input_size), batch)

    def typical_ms(self, variant: str, input_size: Size, batch: int) -> float:
        """Latency of a batch, a median: for reckoning load, not deadlines."""
        return self._at(self.typical_row(variant, input_size), batch)

    def latency_row(self, variant: str, input_size: Size) -> list[float]:
        """`latency_ms` of batches 1 to `max_batch`; not to be written to."""
        self.refresh()
        return self._row(self._rows, self._p99, self._added99_ms, variant, input_size)

    def typical_row(self, variant: str, input_size: Size) -> list[float]:
        """`typical_ms` of batches 1 to `max_batch`; not to be written to."""
        self.refresh()
        return self._row(self._typical_rows, self._p50, self._added50_ms, variant, input_size)

    def _at(self, row: list[float], batch: int) -> float:
        if batch < 1:
            raise ValueError(f"a batch of {batch}")
        if batch <= self.max_batch:
            return row[batch - 1]
        return row[-1] * batch / self.max_batch

    def _row(
        self,
        cache: dict[tuple[str, Size], list[float]],
        surfaces: Mapping[str, _Surface],
        added_ms: float,
        variant: str,
        input_size: Size,
    ) -> list[float]:
        key = (variant, input_size)
        row = cache.get(key)
        if row is None:
            surface = surfaces.get(self._network(variant))
            if surface is None:
                row = [math.inf] * self.max_batch
            else:
                row = (surface.row(input_size[0] * input_size[1]) + added_ms).tolist()
            if len(cache) >= 4096:  # shapes are the clients' choice: never keep more
                cache.clear()
            cache[key] = row
        return row

    def _network(self, variant: str) -> str:
        network = self._networks.get(variant)
        if network is None:
            network = Variant.parse(variant).network
            self._networks[variant] = network
        return network

    # What was observed

    def observe(
        self,
        variant: str,
        input_size: Size,
        batch: int,
        ms: float,
        now_ms: float | None = None,
        *,
        handover_ms: float = 0.0,
    ) -> None:
        """Learns from a finished batch: `ms` that the device took, and `handover_ms` more that the
        host took from dispatch until the result was in hand.

        They are learnt apart: a busy host adds the same to every batch, and makes no large input
        or batch slower in proportion. Without `now_ms` the time is that of the last call that had
        one.
        """
        network = self._network(variant)
        declared = self._declared99.get(network)
        if declared is None or batch < 1 or not (ms >= 0.0 and math.isfinite(ms)):
            return
        if not math.isfinite(handover_ms):
            return
        if now_ms is not None:
            self._now_ms = max(self._now_ms, now_ms)
        now = self._now_ms if math.isfinite(self._now_ms) else 0.0
        pixels = input_size[0] * input_size[1]
        expected = self._at(declared.row(pixels).tolist(), batch)
        is_new, moved = self._drift.observe(network, pixels, batch, ms / expected, now)
        self._handover.add(min(max(0.0, handover_ms), MOST_HANDOVER_MS), now)
        self._dirty |= is_new or moved or self._has_handover_moved(now)

    def advance(self, now_ms: float) -> None:
        """Lets time pass: what was observed long ago counts less. Cheap, call it often."""
        self._now_ms = max(self._now_ms, now_ms)
        if self._now_ms - self._built_ms >= SETTLE_MS:
            self._dirty |= not self._drift.is_silent(self._built_ms)
            self._built_ms = self._now_ms

    def refresh(self) -> int:
        """Takes what was observed into account; returns `version`."""
        if not self._dirty:
            return self.version
        self._dirty = False
        now = self._now_ms if math.isfinite(self._now_ms) else 0.0
        changed = self._has_handover_moved(now)
        if changed:
            self._added99_ms, self._added50_ms = self._handovers_ms(now)
        for network, declared in self._declared99.items():
            rows = sorted({*declared.pixels, *self._drift.pixels(network)})
            ratios, seen, tightness = self._drift.ratios(network, rows, self.max_batch, now)
            known = np.repeat(np.array(seen)[:, None], self.max_batch, axis=1)
            p99 = _consistent(np.array([declared.row(p) for p in rows]) * ratios, known)
            typical = np.array([self._declared50[network].row(p) for p in rows]) * ratios
            for row, tight in enumerate(tightness):
                if tight is not None:
                    typical[row] = p99[row] * tight
            typical = _consistent(np.minimum(typical, p99), known)
            old, old_typical = self._p99[network], self._p50[network]
            if (
                old.pixels != rows
                or not np.allclose(old.table, p99, rtol=0.005)
                or not np.allclose(old_typical.table, typical, rtol=0.02)
            ):
                self._p99[network] = _Surface(rows, p99)
                self._p50[network] = _Surface(rows, typical)
                changed = True
        if changed:
            self.version += 1
            self._rows.clear()
            self._typical_rows.clear()
        return self.version

    def _handovers_ms(self, now_ms: float) -> tuple[float, float]:
        """What the handover takes: to plan deadlines with, and usually."""
        self._handover.expire(now_ms)
        if len(self._handover) < 3:
            return 0.0, 0.0
        upper_ms, usual_ms = self._handover.upper(), self._handover.median()
        fresh = self._handover.fresh(now_ms)
        return fresh * upper_ms, fresh * min(usual_ms, upper_ms)

    def _has_handover_moved(self, now_ms: float) -> bool:
        before_ms = self._added99_ms, self._added50_ms
        return any(
            abs(now - before) > max(HANDOVER_STEP_MS, 0.05 * before)
            for now, before in zip(self._handovers_ms(now_ms), before_ms, strict=True)
        )

    # What was declared

    def _build_declared(self) -> None:
        p99: dict[str, dict[int, dict[int, float]]] = {}
        p50: dict[str, dict[int, dict[int, float]]] = {}
        for e in self.entries:
            for measured, ms in ((p99, e.p99_ms), (p50, e.p50_ms)):
                rows = measured.setdefault(self._network(e.variant), {})
                row = rows.setdefault(e.width * e.height, {})
                row[e.batch] = max(ms, row.get(e.batch, 0.0))
        for measured, surfaces in ((p99, self._declared99), (p50, self._declared50)):
            for network, rows in measured.items():
                pixels = sorted(rows)
                table = np.array([_fill(rows[p], self.max_batch) for p in pixels])
                known = np.array(
                    [[b + 1 in rows[p] for b in range(self.max_batch)] for p in pixels]
                )
                surfaces[network] = _Surface(pixels, _consistent(table, known))

    # Files

    @classmethod
    def load(cls, path: Path) -> "LatencyProfile":
        """Reads a profile file; raises ProfileError for what it can't use, OSError as open does."""
        try:
            data = json.loads(path.read_text())
        except ValueError as error:
            raise ProfileError(f"{path}: not JSON: {error}") from error
        try:
            return cls.from_json(data)
        except ProfileError as error:
            raise ProfileError(f"{path}: {error}") from error

    def save(self, path: Path) -> None:
        """Writes the declared entries (not what was observed), one a line."""
        head = json.dumps(
            {
                "device": self.device,
                "machine": self.machine,
                "versions": self.versions,
                "command": self.command,
                "max_batch": self.max_batch,
            },
            indent=2,
        )
        lines = ",\n".join("    " + json.dumps(asdict(e)) for e in self.entries)
        path.write_text(f'{head[:-2]},\n  "entries": [\n{lines}\n  ]\n}}\n')

    @classmethod
    def from_json(cls, data: Any) -> "LatencyProfile":
        """A profile from its parsed JSON; raises ProfileError naming the field."""
        if not isinstance(data, dict):
            raise ProfileError("a profile is a JSON object")
        rows = data.get("entries")
        if not isinstance(rows, list) or not rows:
            raise ProfileError("entries: must be a list of measurements")
        entries = []
        for index, row in enumerate(rows):
            try:
                entry = Entry(
                    variant=str(row["variant"]),
                    width=int(row["width"]),
                    height=int(row["height"]),
                    batch=int(row["batch"]),
                    p50_ms=float(row["p50_ms"]),
                    p99_ms=float(row["p99_ms"]),
                )
                _check(entry)
            except (KeyError, TypeError, ValueError) as error:
                raise ProfileError(f"entries[{index}]: {error!r}") from error
            entries.append(entry)
        versions = data.get("versions") or {}
        if not isinstance(versions, dict):
            raise ProfileError("versions: must be an object")
        max_batch = data.get("max_batch")
        if max_batch is not None and (type(max_batch) is not int or not 1 <= max_batch <= 1024):
            raise ProfileError("max_batch: must be a number from 1 to 1024")
        return cls(
            entries,
            device=str(data.get("device", "")),
            machine=str(data.get("machine", "")),
            versions={str(k): str(v) for k, v in versions.items()},
            command=str(data.get("command", "")),
            max_batch=max_batch,
        )


def _check(entry: Entry) -> None:
    Variant.parse(entry.variant)
    if entry.width < 1 or entry.height < 1 or not 1 <= entry.batch <= 1024:
        raise ProfileError(f"{entry.variant}: width, height and batch must be positive")
    if not 0.0 < entry.p50_ms <= entry.p99_ms < math.inf:
        raise ProfileError(f"{entry.variant}: 0 < p50_ms <= p99_ms must hold")
