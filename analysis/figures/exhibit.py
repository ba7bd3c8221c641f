"""A figure as it is shown and kept: its picture, what there is to say of it, and its numbers."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from analysis.figures.style import styled
from analysis.figures.table import Table

DPI = 160  # legible when printed at the width of a page
_FORMATS = ("png", "svg")


@dataclass(frozen=True, slots=True)
class Exhibit:
    """`name` is that of its files. `caption` says what is drawn, of what, and how to read it."""

    name: str
    title: str
    caption: str
    picture: Figure
    table: Table

    @styled
    def save(self, folder: Path) -> None:
        """NAME.png, NAME.svg, NAME.csv and NAME.md; the same figure gives the same bytes."""
        for form in _FORMATS:
            path = folder / f"{self.name}.{form}"
            self.picture.savefig(path, dpi=DPI, metadata=_undated(form))
        (folder / f"{self.name}.csv").write_text(self.table.csv())
        (folder / f"{self.name}.md").write_text(self.table.markdown())

    @styled
    def html(self) -> str:
        """Picture, caption and table, with nothing outside; what a notebook shows as well."""
        file = io.BytesIO()
        self.picture.savefig(file, format="png", dpi=DPI, metadata=_undated("png"))
        data = base64.b64encode(file.getvalue()).decode()
        width = round(self.picture.get_figwidth() * 96)
        return (
            f'<figure id="{self.name}">'
            f'<img alt="{html.escape(self.title)}" src="data:image/png;base64,{data}"'
            f' style="width:{width}px;max-width:100%">'
            f"<figcaption>{html.escape(self.caption)}</figcaption></figure>\n{self.table.html()}"
        )

    _repr_html_ = html


def _undated(form: str) -> dict[str, str | None]:
    return {"Date": None} if form == "svg" else {"Software": None}
