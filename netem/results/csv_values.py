"""Dataclass values to CSV cells, and back."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

Row = TypeVar("Row")


class TableError(Exception):
    """A table that does not fit the rows: `: no column a`, or `:LINE: COLUMN: reason`."""


def text_of(value: Any) -> Any:
    """A value as a cell: floats to six digits or a thousandth, booleans 0 or 1, None empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e3 else f"{value:.3f}".rstrip("0").rstrip(".")
    return value


def rows_of(lines: csv.DictReader[str], kind: type[Row]) -> list[Row]:
    """A table's rows. Columns may be in any order; further ones are ignored. Raises TableError."""
    readers = {each.name: _reader(str(each.type)) for each in dataclasses.fields(kind)}  # type: ignore[arg-type]
    lacking = set(readers) - set(lines.fieldnames or ())
    if lacking:
        raise TableError(f": no column {', '.join(sorted(lacking))}")
    rows = []
    for number, line in enumerate(lines, 2):
        values = {}
        for name, convert in readers.items():
            try:
                values[name] = convert(line[name])
            except (TypeError, ValueError) as error:
                raise TableError(f":{number}: {name}: {error}") from error
        rows.append(kind(**values))
    return rows


_READERS: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": lambda text: bool(int(text)),
}


def _reader(kind: str) -> Callable[[str], Any]:
    name, _, optional = kind.partition(" | ")
    convert = _READERS[name]
    return (lambda text: convert(text) if text else None) if optional else convert
