"""The numbers of a figure as a table: Markdown, HTML and CSV."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Cell = str | int | float | None
MISSING = "-"


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading with its unit, and its number format; CSV has all digits."""

    heading: str
    form: str = ""

    def show(self, cell: Cell) -> str:
        """A cell as text."""
        if cell is None:
            return MISSING
        return cell if isinstance(cell, str) else format(cell, self.form)


@dataclass(slots=True)
class Table:
    """Rows with one cell for each column."""

    columns: tuple[Column, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for row in self.rows:
            self._check(row)

    def add(self, *cells: Cell) -> None:
        """Adds a row."""
        self._check(cells)
        self.rows.append(cells)

    def column(self, heading: str) -> list[Cell]:
        """All cells of a column."""
        place = [column.heading for column in self.columns].index(heading)
        return [row[place] for row in self.rows]

    def markdown(self) -> str:
        """A Markdown table, numbers right-aligned."""
        lines = [_line(column.heading for column in self.columns)]
        lines.append(_line("---:" if self._is_numeric(n) else "---" for n in self._places()))
        lines += [_line(self._shown(row)) for row in self.rows]
        return "\n".join(lines) + "\n"

    def html(self) -> str:
        """An HTML `<table>`."""
        head = "".join(f"<th>{html.escape(column.heading)}</th>" for column in self.columns)
        body = []
        for row in self.rows:
            cells = [
                f"<td{' class=n' if self._is_numeric(place) else ''}>{html.escape(text)}</td>"
                for place, text in enumerate(self._shown(row))
            ]
            body.append(f"<tr>{''.join(cells)}</tr>")
        rows = "\n".join(body)
        return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"

    def csv(self) -> str:
        """CSV with all digits; missing cells are empty."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.heading for column in self.columns])
        writer.writerows(["" if cell is None else cell for cell in row] for row in self.rows)
        return file.getvalue()

    def _check(self, row: Sequence[Cell]) -> None:
        if len(row) != len(self.columns):
            raise ValueError(f"{len(row)} cells for {len(self.columns)} columns")

    def _shown(self, row: Sequence[Cell]) -> list[str]:
        return [column.show(cell) for column, cell in zip(self.columns, row, strict=True)]

    def _places(self) -> range:
        return range(len(self.columns))

    def _is_numeric(self, place: int) -> bool:
        cells = [row[place] for row in self.rows]
        return any(not isinstance(cell, str) for cell in cells if cell is not None)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
