"""A figure as files and as HTML."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.figures.exhibit import Exhibit, page
from analysis.figures.style import blank
from analysis.figures.table import Column, Table


@pytest.fixture
def exhibit() -> Exhibit:
    picture = blank(1.0, 2.0)
    picture.subplots().plot([1, 2], [3, 4])
    table = Table((Column("name"), Column("ms", ".1f")), [("a < b", 1.25)])
    return Exhibit("small", "Small & simple", "A line.", picture, table)


def test_it_is_saved_as_picture_and_table(exhibit: Exhibit, tmp_path: Path) -> None:
    exhibit.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "small.png", "small.svg", "small.csv", "small.md",
    }  # fmt: skip
    assert (tmp_path / "small.csv").read_text() == "name,ms\na < b,1.25\n"
    assert "| a < b | 1.2 |" in (tmp_path / "small.md").read_text()


def test_html_is_escaped_and_self_contained(exhibit: Exhibit) -> None:
    text = exhibit.html()
    assert 'alt="Small &amp; simple"' in text
    assert "<td>a &lt; b</td>" in text
    assert re.findall(r'src="([^,]+),', text) == ["data:image/png;base64"]


def test_a_page_links_every_figure_and_folds_long_tables(exhibit: Exhibit) -> None:
    long = Table(exhibit.table.columns, [("row", float(number)) for number in range(41)])
    text = page([exhibit, replace(exhibit, name="long", table=long)], "Figures", ["From <here>."])
    assert re.findall(r'href="#([^"]+)"', text) == ["small", "long"]
    assert re.findall(r'<figure id="([^"]+)"', text) == ["small", "long"]
    assert text.count("<details>") == 1
    assert "41 lines" in text
    assert "<p>From &lt;here&gt;.</p>" in text
