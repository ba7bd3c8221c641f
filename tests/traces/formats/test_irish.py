"""The Irish data set's CSV."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.traces.formats.files import check_refused, file
from traces import read

IRISH = """Timestamp,Longitude,DL_bitrate,UL_bitrate
2019.12.14_10.16.30,-8.4,1,100
2019.12.14_10.16.30,-8.4,1,300
2019.12.14_10.16.31,-8.4,1,-
2019.12.14_10.16.31,-8.4,1,50
2019.12.14_10.16.32,-8.4,1,0
2019.12.14_10.17.32,-8.4,1,70
"""


def test_gaps_are_closed_and_noted(tmp_path: Path) -> None:
    trace = read(file(tmp_path, "a.csv", IRISH))
    assert list(trace.at_ms) == [0.0, 1000.0, 2000.0, 3000.0]
    assert list(trace.rate_bps) == [200e3, 50e3, 0.0, 70e3]
    assert trace.notes == ("1 gaps closed", "1 rows without a rate")


@pytest.mark.parametrize(
    ("name", "content", "where", "rule"),
    [
        ("a.csv", "Timestamp,UL_bitrate\nyesterday,5\n", "a.csv:2", "not like"),
        ("a.csv", "Timestamp,UL_bitrate\n2019.12.14_10.16.30\n", "a.csv:2", "1 cells"),
        ("a.csv", "Time,UL_bitrate\n1,5\n", "a.csv:1", "no column Timestamp"),
        ("a.csv", IRISH + "2019.12.14_10.16.30,0,0,1\n", "a.csv:8", "must not go back"),
    ],
)
def test_a_mistake_is_refused_by_line_and_rule(
    tmp_path: Path, name: str, content: str, where: str, rule: str
) -> None:
    check_refused(tmp_path, name, content, where, rule)
