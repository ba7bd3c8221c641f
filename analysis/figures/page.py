"""One page with all figures and their tables below each other, with nothing outside it."""

from __future__ import annotations

import html
from collections.abc import Sequence

from analysis.figures.exhibit import Exhibit

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
_MANY_ROWS = 40  # a longer table is folded


def page(exhibits: Sequence[Exhibit], title: str, about: Sequence[str]) -> str:
    """HTML; `about` are lines that say where the figures are from."""
    links = "".join(
        f'<li><a href="#{each.name}">{html.escape(each.title)}</a></li>' for each in exhibits
    )
    said = "".join(f"<p>{html.escape(line)}</p>" for line in about)
    parts = "\n".join(_part(each) for each in exhibits)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{html.escape(title)}</h1>{said}<ol>{links}</ol>\n{parts}\n</body></html>\n"
    )


def _part(exhibit: Exhibit) -> str:
    shown, table = exhibit.html().split("\n", 1)
    if len(exhibit.table.rows) > _MANY_ROWS:
        table = f"<details><summary>{len(exhibit.table.rows)} lines</summary>{table}</details>"
    files = " · ".join(
        f'<a href="{exhibit.name}.{ending}">{ending}</a>' for ending in ("svg", "png", "csv", "md")
    )
    return f"<h2>{html.escape(exhibit.title)}</h2>\n{shown}\n{table}\n<p>{files}</p>"
