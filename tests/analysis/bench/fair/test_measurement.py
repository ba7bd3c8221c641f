"""A session's share of a link, from its frames."""

from __future__ import annotations

import math

import pytest

from analysis.bench.fair.measurement import SharedLinkRun, _network
from analysis.bench.rate.figures import FrameTiming


def test_a_sessions_rate_median_and_late_share() -> None:
    frames = [FrameTiming(100.0 * n, 1e4, 150.0 if n == 3 else 20.0) for n in range(10)]
    bps, p50, late = _network(frames, 0.0, 1000.0)
    assert bps == pytest.approx(1e5)
    assert p50 == 20.0
    assert late == pytest.approx(0.1)


def test_frames_that_never_arrived_have_no_median_and_are_late() -> None:
    _, p50, late = _network([FrameTiming(0.0, 1e4, math.inf)], 0.0, 1000.0)
    assert p50 is None
    assert late == 1.0


def test_a_starved_session_has_nothing() -> None:
    assert _network([], 0.0, 1000.0) == (0.0, None, None)


def test_a_share_carries_the_links_conditions() -> None:
    share = SharedLinkRun("tcp", 30_000, "receiver", 40.0)._share("tcp", 3e6)
    assert (share.company, share.queue_bytes, share.flow, share.bps) == ("tcp", 30_000, "tcp", 3e6)
