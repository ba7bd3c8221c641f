"""Lines and numbers of any trace file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.traces.formats.files import check_refused


@pytest.mark.parametrize(
    ("name", "content", "where", "rule"),
    [
        ("a.up", "", "a.up", "empty"),
        ("a.up", "  \n\n", "a.up", "empty"),
        ("a.up", "1\nx\n", "a.up:2", "is not a number"),
        ("a.txt", "1\n-2\n", "a.txt:2", "not below 0"),
        ("a.txt", "1\nnan\n", "a.txt:2", "finite"),
        ("a.txt", "1\n\n200000\n", "a.txt:3", "over 100 Gbit/s"),
    ],
)
def test_a_mistake_is_refused_by_line_and_rule(
    tmp_path: Path, name: str, content: str, where: str, rule: str
) -> None:
    check_refused(tmp_path, name, content, where, rule)
