"""Rows of `bench rate` in its `--json` file: what is there need not be measured again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.bench.rate import figures
from analysis.bench.rate.results import RateCell, RateResult, from_json, promises, to_json
from edge.rtc import aiortc_adapter

Key = tuple[RateCell, str]


class StoreError(Exception):
    """A file that holds no rows of this benchmark; says which, and why."""


class Store:
    """Rows by cell and controller, in the order in which they came; in a file, if one is given.

    Each row that is put is written at once, so that a run which was ended goes on where it was.
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
        """Of these, the rows that are there."""
        return [self._rows[key][0] for key in keys if key in self._rows]

    def put(self, row: RateResult, busy: float = 0.0) -> None:
        """A row that was measured now; in place of an earlier one of the same cell. `busy` is the
        part of the machine's processors that was in use meanwhile, by whomever."""
        values = to_json(row) | {"busy": round(busy, 2)}
        self._rows[row.cell, row.controller] = row, values
        self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        rows = self.rows
        kept = all(held for row in rows for _, held in promises(row, rows))
        cells = [values for _, values in self._rows.values()]
        report = {"versions": aiortc_adapter.VERSIONS, "kept": kept, "rows": cells}
        beside = self._path.with_name(self._path.name + ".new")
        beside.write_text(json.dumps(report, indent=2) + "\n")
        beside.replace(self._path)


class Processors:
    """How busy this machine's processors are, from one call to the next."""

    def __init__(self) -> None:
        self._before = self._ticks()

    def busy(self) -> float:
        """Part of their time that was in use since the last call, 0 to 1."""
        before, self._before = self._before, self._ticks()
        idle, total = (now - then for now, then in zip(self._before, before, strict=True))
        return 1.0 - idle / max(1, total)

    @staticmethod
    def _ticks() -> tuple[int, int]:
        with Path("/proc/stat").open() as file:
            ticks = [int(each) for each in file.readline().split()[1:9]]
        return ticks[3] + ticks[4], sum(ticks)  # idle and waiting for a disk; all


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(path.read_text())["rows"]
        for values in rows:
            from_json(values)
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: no rows of `bench rate` in it: {error!r}") from error
    return list(rows)


def write_frames(
    folder: Path,
    cell: RateCell,
    controller: str,
    frames: Sequence[figures.FrameTiming],
    caps: Sequence[tuple[float, float]],
) -> None:
    """One run as tab-separated values, by the link's time: each frame's ms, bits (0: not sent) and
    network time; each cap's ms and bits a second."""
    folder.mkdir(parents=True, exist_ok=True)
    grain = f"-grain{cell.grain:g}" if cell.grain else ""
    name = f"{cell.name}-{cell.cap_bps / 1e6:g}-{cell.fps}{grain}-{controller}".replace(" ", "-")
    lines = [f"{f.at_ms:.1f}\t{f.bits:.0f}\t{f.network_ms:.1f}\n" for f in frames]
    (folder / f"{name}.frames.tsv").write_text("ms\tbits\tnetwork_ms\n" + "".join(lines))
    told = [f"{at_ms:.1f}\t{bps:.0f}\n" for at_ms, bps in caps]
    (folder / f"{name}.caps.tsv").write_text("ms\tcap_bps\n" + "".join(told))
