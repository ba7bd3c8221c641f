"""NUWiNS throughput lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.traces.formats.files import check_refused, file
from traces import TraceError, read

NUWINS = """
###############################
Run 1
0.1,0.2,0.3
10,0,30
0.05,0.15
1,2
###############################
Run 2
5,6,7
"""


def test_runs_and_legs(tmp_path: Path) -> None:
    path = file(tmp_path, "a.list", NUWINS)
    assert list(read(path).rate_bps) == [10e6, 0.0, 30e6]
    assert list(read(path).at_ms) == pytest.approx([0.0, 100.0, 200.0])
    assert list(read(path, leg=2).rate_bps) == [1e6, 2e6]
    assert read(path, run=2).duration_ms == 300.0


@pytest.mark.parametrize(
    ("name", "content", "where", "rule"),
    [
        ("a.list", "###\nRun 1\n0.2,0.1\n1,2\n", "a.list:3", "value 2"),
        ("a.list", "###\nRun 1\n0.1,0.2\n1,2,3\n", "a.list:4", "3 rates"),
        ("a_ping.list", "###\nRun 1\n20,30\n", "a_ping.list:1", "round-trip times"),
        ("a.list", "###\n1,2\n", "a.list:2", "before the first"),
    ],
)
def test_a_mistake_is_refused_by_line_and_rule(
    tmp_path: Path, name: str, content: str, where: str, rule: str
) -> None:
    check_refused(tmp_path, name, content, where, rule)


def test_a_run_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no run 4; there are"):
        read(file(tmp_path, "a.list", NUWINS), run=4)
