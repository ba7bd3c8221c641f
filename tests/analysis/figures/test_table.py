"""Tables: what readers see, what CSV keeps."""

import pytest

from analysis.figures.table import Column, Table

TABLE = Table((Column("policy"), Column("missed", ".1%"), Column("a|b")), [("ours", 0.0125, None)])


def test_readers_see_rounded_numbers_and_what_is_missing() -> None:
    assert TABLE.markdown() == (
        "| policy | missed | a\\|b |\n| --- | ---: | --- |\n| ours | 1.2% | - |\n"
    )


def test_csv_has_all_digits() -> None:
    assert TABLE.csv() == "policy,missed,a|b\nours,0.0125,\n"


def test_html_is_escaped() -> None:
    table = Table((Column("<name>"),), [("<b>",)])
    assert "<td>&lt;b&gt;</td>" in table.html()
    assert "<th>&lt;name&gt;</th>" in table.html()


def test_a_row_has_a_cell_for_each_column() -> None:
    with pytest.raises(ValueError, match="2 cells for 1 columns"):
        Table((Column("one"),)).add(1, 2)
