"""Mahimahi's packet opportunities."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.traces.formats.files import check_refused, file
from traces import read
from traces.formats import detect
from traces.formats.trace_text import TraceText


def test_opportunities_are_counted_in_bins(tmp_path: Path) -> None:
    trace = read(file(tmp_path, "a.up", "0\n0\n50\n199\n200\n"))
    assert trace.duration_ms == 200.0
    assert list(trace.rate_bps) == [360_000.0, 240_000.0]


def test_it_joins_a_short_rest(tmp_path: Path) -> None:
    trace = read(file(tmp_path, "a.down", "1\n100\n101\n"), bin_ms=50)
    assert list(trace.at_ms) == [0.0, 50.0]
    assert trace.capacity_bits(0.0, 101.0) == pytest.approx(3 * 12_000)


def test_long_ascending_whole_numbers_are_mahimahi(tmp_path: Path) -> None:
    text = TraceText.load(file(tmp_path, "a.txt", "\n".join(map(str, range(150)))))
    assert detect(text) == "mahimahi"


@pytest.mark.parametrize(
    ("name", "content", "where", "rule"),
    [
        ("a.up", "0\n0\n", "a.up:2", "above 0"),
        ("a.up", "5\n3\n", "a.up:2", "must not go back"),
    ],
)
def test_a_mistake_is_refused_by_line_and_rule(
    tmp_path: Path, name: str, content: str, where: str, rule: str
) -> None:
    check_refused(tmp_path, name, content, where, rule)
