"""The project's own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.traces.formats.files import check_refused, file
from traces import Trace, read, write


def test_seconds_and_mbps(tmp_path: Path) -> None:
    trace = read(file(tmp_path, "a.tsv", "10\t1.5\n10.5\t0\n\n11\t2  # note\n"))
    assert list(trace.at_ms) == [0.0, 500.0, 1000.0]
    assert list(trace.rate_bps) == [1.5e6, 0.0, 2e6]
    assert trace.duration_ms == 1500.0


@pytest.mark.parametrize("extras", [(), ("delay_ms", "loss"), ("delay_ms", "jitter_ms", "loss")])
def test_written_is_read_back(tmp_path: Path, extras: tuple[str, ...]) -> None:
    values: dict[str, Any] = {key: np.array([0.125, 0.5, 0.0]) for key in extras}
    trace = Trace(
        np.array([0.0, 33.25, 100.0]),
        np.array([1.234e6, 0.0, 99.5e6]),
        150.5,
        notes=("made by hand",),
        **values,
    )
    write(trace, tmp_path / "a.tsv")
    back = read(tmp_path / "a.tsv")
    assert (back.duration_ms, back.notes) == (150.5, ("made by hand",))
    for key in ("at_ms", "rate_bps", "delay_ms", "jitter_ms", "loss"):
        np.testing.assert_array_equal(getattr(back, key), getattr(trace, key))


@pytest.mark.parametrize(
    ("name", "content", "where", "rule"),
    [
        ("a.tsv", "0\t1\n2\t1\n1\t1\n", "a.tsv:3", "must ascend"),
        ("a.tsv", "0\t1\n1\t1\t5\n", "a.tsv:2", "3 values"),
        ("a.tsv", "# columns: seconds loss\n0 1\n", "a.tsv:1", "columns"),
        ("a.tsv", "# columns: seconds mbps loss\n0 1 50\n", "a.tsv:2", "loss: a share"),
    ],
)
def test_a_mistake_is_refused_by_line_and_rule(
    tmp_path: Path, name: str, content: str, where: str, rule: str
) -> None:
    check_refused(tmp_path, name, content, where, rule)
