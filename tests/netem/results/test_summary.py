"""Summaries of frames: outcomes, misses and their causes."""

from __future__ import annotations

import dataclasses

import pytest

from netem.results.rows import FrameRow
from netem.results.summary import counts
from tests.netem.results.test_run_folder import FRAME
from traces import constant


def frame(**more: object) -> FrameRow:
    return dataclasses.replace(FRAME, **more)  # type: ignore[arg-type]


def test_counts_add_up_and_misses_have_their_causes() -> None:
    rows = [
        frame(),
        frame(outcome="late", sent_ms=60.0, returned_ms=130.0),  # half of 100 ms in its encoder
        frame(outcome="late", sent_ms=-5.0, returned_ms=130.0),
        frame(outcome="late", infeasible=True, sent_ms=-5.0, returned_ms=300.0),
        frame(outcome="encoder", rtp=None, sent_ms=None, returned_ms=None, bytes=None),
        frame(outcome="paced", rtp=None, sent_ms=None, returned_ms=None, bytes=None),
        frame(outcome="lost", returned_ms=None),
        frame(measured=False, outcome="failed"),
    ]
    made = counts(rows, [0.0, 100.0], [constant(3e6)], 2.0)
    outcomes = ("in_time", "late", "encoder", "paced", "lost", "failed")
    assert [made[name] for name in outcomes] == [1, 3, 1, 1, 1, 0]
    assert made["captured"] == sum(made[name] for name in outcomes) == 7
    assert made["infeasible"] == 1
    assert made["miss_rate"] == pytest.approx(4 / 5)  # of all but the infeasible and the paced
    assert made["in_time_share"] == pytest.approx(1 / 7, abs=1e-6)
    assert made["sender_share"] == pytest.approx(2 / 7, abs=1e-6)
    assert made["sent_mbps"] == pytest.approx(5 * 8 * 2048 / 2e6, abs=1e-4)
    assert made["link_mbps"] == 3.0
