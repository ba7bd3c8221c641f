"""A device's latency for each batch: measured beforehand, and corrected while serving."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from edge.profile.drift import DeviceDrift, DriftWindow
from edge.profile.latency_surface import LatencySurface, Table, build_surface, monotone
from edge.profile.variant import Variant

REBUILD_MS = 250.0  # between two looks at what time has changed
HANDOVER_STEP_MS = 0.25  # a change that is worth a new version
MAX_HANDOVER_MS = 1_000.0
MAX_BATCH = 1024
MAX_CACHED_ROWS = 4096  # picture shapes are the clients' choice
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class LatencyEntry:
    """One measurement: `batch` pictures of `width` x `height` (the network's input), in ms."""

    variant: str
    width: int
    height: int
    batch: int
    p50_ms: float
    p99_ms: float

    def __post_init__(self) -> None:
        """Raises ValueError naming the rule."""
        Variant.parse(self.variant)
        if self.width < 1 or self.height < 1 or not 1 <= self.batch <= MAX_BATCH:
            raise ValueError(
                f"{self.variant}: width, height and batch must be positive, batch {MAX_BATCH} at"
                " most"
            )
        if not 0.0 < self.p50_ms <= self.p99_ms < math.inf:
            raise ValueError(f"{self.variant}: 0 < p50_ms <= p99_ms must hold")


class LatencyProfile:
    """A device's latency for each (variant, input size, batch), as a p99 and as a median.

    Only the network's name and the number of input pixels matter, so the entries of one network
    make one surface, on which any shape has its place. `version` changes whenever latencies do.
    """

    def __init__(
        self,
        entries: Iterable[LatencyEntry],
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
        self.max_batch = max_batch or max((e.batch for e in self.entries), default=1)
        self.version = 0
        self._drift = DeviceDrift()
        self._handover = DriftWindow()
        self._added99_ms = self._added50_ms = 0.0
        """The handover's part of `latency_ms` and `typical_ms`."""
        self._now_ms = -math.inf
        self._built_ms = -math.inf
        self._dirty = False
        self._networks: dict[str, str] = {}
        self._declared99 = self._declared(lambda entry: entry.p99_ms, self.entries)
        self._declared50 = self._declared(lambda entry: entry.p50_ms, self.entries)
        self._p99 = dict(self._declared99)
        self._p50 = dict(self._declared50)
        self._declared_rows: dict[tuple[str, int], list[float]] = {}  # p99, by network and pixels
        self._declared_tables: dict[str, tuple[list[int], Table, Table]] = {}
        """By network: pixel counts, and the declared p99 and p50 of each."""
        self._rows: dict[tuple[str, Size], list[float]] = {}
        self._typical_rows: dict[tuple[str, Size], list[float]] = {}

    @property
    def networks(self) -> tuple[str, ...]:
        """Those whose latencies it holds."""
        return tuple(self._declared99)

    def add(self, entries: Iterable[LatencyEntry]) -> None:
        """Hold the networks of these entries as well; those that it holds already stay as they are.

        Batches larger than `max_batch` are left out.
        """
        held = set(self._declared99)
        new = [
            each
            for each in entries
            if self._network(each.variant) not in held and each.batch <= self.max_batch
        ]
        self.entries = (*self.entries, *new)
        for declared, current, latency in (
            (self._declared99, self._p99, lambda entry: entry.p99_ms),
            (self._declared50, self._p50, lambda entry: entry.p50_ms),
        ):
            found = self._declared(latency, new)
            declared.update(found)
            current.update(found)
        self.version += 1
        self._rows.clear()
        self._typical_rows.clear()

    # Queries

    def latency_ms(self, variant: str, input_size: Size, batch: int) -> float:
        """The p99 latency of a batch; infinite for a network that the profile doesn't hold.

        The observed handover, to the device and back, is part of it. Never falls as batch or pixel
        count grow.
        """
        return self._at(self.latency_row(variant, input_size), batch)

    def typical_ms(self, variant: str, input_size: Size, batch: int) -> float:
        """The median latency of a batch: for estimates of load, not for deadlines."""
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
        surfaces: Mapping[str, LatencySurface],
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
            if len(cache) >= MAX_CACHED_ROWS:
                cache.clear()
            cache[key] = row
        return row

    def _network(self, variant: str) -> str:
        network = self._networks.get(variant)
        if network is None:
            network = Variant.parse(variant).network
            self._networks[variant] = network
        return network

    # Observations

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
        """Learns from a finished batch: `ms` on the device, and `handover_ms` on the host between
        dispatch and result.

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
        row = self._declared_rows.get((network, pixels))
        if row is None:
            if len(self._declared_rows) >= MAX_CACHED_ROWS:
                self._declared_rows.clear()
            row = self._declared_rows[network, pixels] = declared.row(pixels).tolist()
        expected = self._at(row, batch)
        is_new, moved = self._drift.observe(network, pixels, batch, ms / expected, now)
        self._handover.add(min(max(0.0, handover_ms), MAX_HANDOVER_MS), now)
        self._dirty |= is_new or moved or self._has_handover_moved(now)

    def advance(self, now_ms: float) -> None:
        """Advances the time: older observations count less. Cheap, call it often."""
        self._now_ms = max(self._now_ms, now_ms)
        if self._now_ms - self._built_ms >= REBUILD_MS:
            self._dirty |= not self._drift.is_silent(self._built_ms)
            self._built_ms = self._now_ms

    def refresh(self) -> int:
        """Takes observations into account; returns `version`."""
        if not self._dirty:
            return self.version
        self._dirty = False
        now = self._now_ms if math.isfinite(self._now_ms) else 0.0
        changed = self._has_handover_moved(now)
        if changed:
            self._added99_ms, self._added50_ms = self._handovers_ms(now)
        for network, declared in self._declared99.items():
            rows = sorted({*declared.pixels, *self._drift.pixels(network)})
            ratios, recent, tightness = self._drift.ratios(network, rows, self.max_batch, now)
            is_measured = np.repeat(np.array(recent)[:, None], self.max_batch, axis=1)
            declared99, declared50 = self._tables(network, rows)
            p99 = monotone(declared99 * ratios, is_measured)
            typical = declared50 * ratios
            for row, tight in enumerate(tightness):
                if tight is not None:
                    typical[row] = p99[row] * tight
            typical = monotone(np.minimum(typical, p99), is_measured)
            old, old_typical = self._p99[network], self._p50[network]
            if (
                old.pixels != rows
                or not _are_close(old.table, p99, 0.005)
                or not _are_close(old_typical.table, typical, 0.02)
            ):
                self._p99[network] = LatencySurface(rows, p99)
                self._p50[network] = LatencySurface(rows, typical)
                changed = True
        if changed:
            self.version += 1
            self._rows.clear()
            self._typical_rows.clear()
        return self.version

    def _tables(self, network: str, rows: list[int]) -> tuple[Table, Table]:
        """The declared p99 and p50 of a network at these pixel counts."""
        known = self._declared_tables.get(network)
        if known is None or known[0] != rows:
            p99, p50 = (
                np.array([surfaces[network].row(pixels) for pixels in rows])
                for surfaces in (self._declared99, self._declared50)
            )
            known = self._declared_tables[network] = (rows, p99, p50)
        return known[1], known[2]

    def _handovers_ms(self, now_ms: float) -> tuple[float, float]:
        """The handover's upper quantile, for deadlines, and its median."""
        self._handover.expire(now_ms)
        if len(self._handover) < 3:
            return 0.0, 0.0
        upper_ms, median_ms = self._handover.upper(), self._handover.median()
        fresh = self._handover.fresh(now_ms)
        return fresh * upper_ms, fresh * min(median_ms, upper_ms)

    def _has_handover_moved(self, now_ms: float) -> bool:
        before_ms = self._added99_ms, self._added50_ms
        return any(
            abs(now - before) > max(HANDOVER_STEP_MS, 0.05 * before)
            for now, before in zip(self._handovers_ms(now_ms), before_ms, strict=True)
        )

    def _declared(
        self, latency: Callable[[LatencyEntry], float], entries: Iterable[LatencyEntry]
    ) -> dict[str, LatencySurface]:
        """The surface of each network, as declared by these entries."""
        measured: dict[str, dict[int, dict[int, float]]] = {}
        for entry in entries:
            rows = measured.setdefault(self._network(entry.variant), {})
            row = rows.setdefault(entry.width * entry.height, {})
            row[entry.batch] = max(latency(entry), row.get(entry.batch, 0.0))
        return {network: build_surface(rows, self.max_batch) for network, rows in measured.items()}


def _are_close(one: Table, other: Table, share: float) -> bool:
    """As `np.allclose` of finite values, in a fifth of its time."""
    return bool((np.abs(one - other) <= 1e-8 + share * np.abs(other)).all())
