"""Results of `bench rate` in its `--json` file, from which an interrupted run goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.bench.rate import figures
from analysis.bench.rate.results import RateCell, RateResult, from_json, promises, to_json
from analysis.bench.report import MeasurementError, aiortc_versions, all_kept, write_json

Key = tuple[RateCell, str]


class ResultStore:
    """Results by cell and controller, in the order in which they came; in a file, if one is given.

    Each result is written at once, so that an interrupted run can go on from there. Raises
    MeasurementError for a file with something else in it.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._rows: dict[Key, tuple[RateResult, dict[str, Any]]] = {}
        if path is not None and path.is_file():
            for values in _read(path):
                row = from_json(values)
                self._rows[row.cell, row.controller] = row, values

    @property
    def rows(self) -> list[RateResult]:
        return [row for row, _ in self._rows.values()]

    def chosen(self, keys: Sequence[Key]) -> list[RateResult]:
        """The results with these keys, as far as the store has them."""
        return [self._rows[key][0] for key in keys if key in self._rows]

    def put(self, row: RateResult, busy: float = 0.0) -> None:
        """Adds a result, or replaces that of the same cell and controller. `busy` is the share of
        all processors' time that was in use meanwhile."""
        values = to_json(row) | {"busy": round(busy, 2)}
        self._rows[row.cell, row.controller] = row, values
        self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        rows = self.rows
        kept = all_kept(promise for row in rows for promise in promises(row, rows))
        values = [values for _, values in self._rows.values()]
        write_json(self._path, {"versions": aiortc_versions(), "kept": kept, "rows": values})


class Processors:
    """Load of this machine's processors from one call to the next, by `/proc/stat`."""

    def __init__(self, stat: Path = Path("/proc/stat")) -> None:
        self._stat = stat
        self._before = self._ticks()

    def busy(self) -> float:
        """Share of their time that was in use since the last call, 0 to 1."""
        before, self._before = self._before, self._ticks()
        idle, total = (now - then for now, then in zip(self._before, before, strict=True))
        return 1.0 - idle / max(1, total)

    def _ticks(self) -> tuple[int, int]:
        """(idle, all) clock ticks since boot; waiting for a disk counts as idle (proc(5))."""
        with self._stat.open() as file:
            ticks = [int(each) for each in file.readline().split()[1:9]]
        return ticks[3] + ticks[4], sum(ticks)


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(path.read_text())["rows"]
        for values in rows:
            from_json(values)
    except (ValueError, KeyError, TypeError) as error:
        raise MeasurementError(f"{path}: no rows of `bench rate` in it: {error!r}") from error
    return list(rows)


def write_frames(
    folder: Path,
    cell: RateCell,
    controller: str,
    frames: Sequence[figures.FrameTiming],
    caps: Sequence[tuple[float, float]],
) -> None:
    """Writes one run as tab-separated values by the link's time: each frame's ms, bits (0: not
    sent) and network time in ms; each hinted cap's ms and bits a second."""
    folder.mkdir(parents=True, exist_ok=True)
    grain = f"-grain{cell.grain:g}" if cell.grain else ""
    name = f"{cell.name}-{cell.cap_bps / 1e6:g}-{cell.fps}{grain}-{controller}".replace(" ", "-")
    lines = [f"{f.at_ms:.1f}\t{f.bits:.0f}\t{f.network_ms:.1f}\n" for f in frames]
    (folder / f"{name}.frames.tsv").write_text("ms\tbits\tnetwork_ms\n" + "".join(lines))
    lines = [f"{at_ms:.1f}\t{bps:.0f}\n" for at_ms, bps in caps]
    (folder / f"{name}.caps.tsv").write_text("ms\tcap_bps\n" + "".join(lines))
