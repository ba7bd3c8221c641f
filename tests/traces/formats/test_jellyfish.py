"""Jellyfish's values at even steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.traces.formats.files import check_refused, file
from traces import read


def test_the_step_is_given_by_name_or_option(tmp_path: Path) -> None:
    synthetic = read(file(tmp_path, "x_synthetic.txt", "20\n7.5\n"))
    assert synthetic.duration_ms == 40_000.0
    assert synthetic.rate_at(20_000.0) == 7.5e6
    assert read(file(tmp_path, "lte.txt", "3.604\n0\n")).duration_ms == 2_000.0
    assert read(tmp_path / "lte.txt", step_ms=500).duration_ms == 1_000.0


@pytest.mark.parametrize(
    ("name", "content", "where", "rule"),
    [
        ("a.txt", "# only words\n", "a.txt:1", "no step"),
    ],
)
def test_a_mistake_is_refused_by_line_and_rule(
    tmp_path: Path, name: str, content: str, where: str, rule: str
) -> None:
    check_refused(tmp_path, name, content, where, rule)
