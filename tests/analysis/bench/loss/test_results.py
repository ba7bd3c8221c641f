"""Results of the loss benchmark: promises and table."""

from __future__ import annotations

from dataclasses import replace

from analysis.bench.loss.figures import LossFigures
from analysis.bench.loss.results import LOSSES, LossResult, markdown, promises

OURS = LossFigures(300, 299, 170.0, 30.0, 110.0, 9, 1, 12, 1, 1.1e6)
THEIRS = replace(OURS, decoded=254, stall_ms=2924.0, p50=86.0, p99=1018.0, bps=5.3e5)
ROWS = [LossResult(LOSSES["2%"], 15, "ours", OURS), LossResult(LOSSES["2%"], 15, "aiortc", THEIRS)]


def test_a_line_has_both_receivers() -> None:
    lines = markdown(ROWS).splitlines()
    assert lines[0].startswith("| loss, frames a second | decoded of the captured: ours, aiortc |")
    times = "30 / 110, 86 / 1018"
    assert lines[2] == f"| 2%, 15/s | 99.7, 84.7 % | 170, 2924 | {times} | 1100, 530 | 1, 1 |"


def test_only_our_stalls_are_promised() -> None:
    assert [promise.kept for promise in promises(ROWS)] == [True]
