"""Rows of `bench rate` in its `--json` file: what is there need not be measured again."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.bench import _rate_figures as figures
from edge.bench._rate_report import Cell, Row, from_json, promises, to_json
from edge.rtc import internals

Key = tuple[Cell, str]


class StoreError(Exception):
    """A file that holds no rows of this benchmark; says which, and why."""


class Store:
    """Rows by cell and controller, in the order in which they came; in a file, if one is given.

    Each row that is put is written at once, so that a run which was ended goes on where it was.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._rows: dict[Key, tuple[Row, dict[str, Any]]] = {}
        if path is not None and path.is_file():
            for values in _read(path):
                row = from_json(values)
                self._rows[row.cell, row.controller] = row, values

    @property
    def rows(self) -> list[Row]:
        return [row for row, _ in self._rows.values()]

    def chosen(self, keys: Sequence[Key]) -> list[Row]:
        """Of these, the rows that are there."""
        return [self._rows[key][0] for key in keys if key in self._rows]

    def put(self, row: Row) -> None:
        """A row that was measured now; in place of an earlier one of the same cell."""
        values = to_json(row) | {"load": round(os.getloadavg()[0], 1)}
        self._rows[row.cell, row.controller] = row, values
        self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        rows = self.rows
        kept = all(held for row in rows for _, held in promises(row, rows))
        cells = [values for _, values in self._rows.values()]
        report = {"versions": internals.VERSIONS, "kept": kept, "rows": cells}
        beside = self._path.with_name(self._path.name + ".new")
        beside.write_text(json.dumps(report, indent=2) + "\n")
        beside.replace(self._path)


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
    cell: Cell,
    controller: str,
    frames: Sequence[figures.Frame],
    caps: Sequence[tuple[float, float]],
) -> None:
    """One run as tab-separated values, by the link's time: each frame's ms, bits (0: not sent) and
    network time; each cap's ms and bits a second."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{cell.name}-{cell.cap_bps / 1e6:g}-{cell.fps}-{controller}".replace(" ", "-")
    lines = [f"{f.at_ms:.1f}\t{f.bits:.0f}\t{f.network_ms:.1f}\n" for f in frames]
    (folder / f"{name}.frames.tsv").write_text("ms\tbits\tnetwork_ms\n" + "".join(lines))
    told = [f"{at_ms:.1f}\t{bps:.0f}\n" for at_ms, bps in caps]
    (folder / f"{name}.caps.tsv").write_text("ms\tcap_bps\n" + "".join(told))
