"""A figure with its caption and its numbers: as files, as HTML, and several on one page."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from analysis.figures.style import styled
from analysis.figures.table import Table

DPI = 160  # legible when printed at the width of a page
_FORMATS = ("png", "svg")
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin: 3rem 0 .5rem; font-size: 1.25rem; }
figure { margin: 0; }
figcaption { color: #444; margin: .5rem 0 1rem; }
table { border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto; }
th, td { padding: .2rem .7rem .2rem 0; text-align: left; white-space: nowrap; }
thead th { border-bottom: 1.5px solid #1a1a1a; vertical-align: bottom; white-space: normal; }
tbody tr:nth-child(even) { background: #f4f4f4; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
summary { cursor: pointer; color: #444; }
a { color: #0072B2; }
"""
_MAX_ROWS = 40  # longer tables are folded


@dataclass(frozen=True, slots=True)
class Exhibit:
    """`name` is that of its files; `caption` explains the picture and how to read it."""

    name: str
    title: str
    caption: str
    picture: Figure
    table: Table

    @styled
    def save(self, folder: Path) -> None:
        """Writes NAME.png, NAME.svg, NAME.csv and NAME.md; the same figure gives the same bytes."""
        for form in _FORMATS:
            path = folder / f"{self.name}.{form}"
            self.picture.savefig(path, dpi=DPI, metadata=_undated(form))
        (folder / f"{self.name}.csv").write_text(self.table.csv())
        (folder / f"{self.name}.md").write_text(self.table.markdown())

    @styled
    def html(self) -> str:
        """Picture, caption and table in one self-contained piece, as notebooks show it."""
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


def page(exhibits: Sequence[Exhibit], title: str, about: Sequence[str]) -> str:
    """A self-contained HTML page of all figures and tables; `about` are paragraphs about their
    sources."""
    links = "".join(
        f'<li><a href="#{each.name}">{html.escape(each.title)}</a></li>' for each in exhibits
    )
    paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in about)
    parts = "\n".join(_part(each) for each in exhibits)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{html.escape(title)}</h1>{paragraphs}<ol>{links}</ol>\n{parts}\n</body></html>\n"
    )


def _part(exhibit: Exhibit) -> str:
    shown, table = exhibit.html().split("\n", 1)
    if len(exhibit.table.rows) > _MAX_ROWS:
        table = f"<details><summary>{len(exhibit.table.rows)} lines</summary>{table}</details>"
    files = " · ".join(
        f'<a href="{exhibit.name}.{ending}">{ending}</a>' for ending in ("svg", "png", "csv", "md")
    )
    return f"<h2>{html.escape(exhibit.title)}</h2>\n{shown}\n{table}\n<p>{files}</p>"
