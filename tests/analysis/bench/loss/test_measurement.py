"""One run of the loss benchmark: its frames and the sender's counts as figures."""

from __future__ import annotations

import pytest

from analysis.bench.loss import measurement
from analysis.bench.rate.receivers import DecodedFrames

COUNTS = {
    "frames": 20, "nackCount": 5, "pliCount": 1, "retransmittedPacketsSent": 7,
    "keyFramesEncoded": 2,
}  # fmt: skip


def test_frames_and_counts_of_the_window() -> None:
    encoded = [(rtp, 1000.0 + 100.0 * rtp, 1250.0) for rtp in range(10)]
    decoded = DecodedFrames({rtp: 1030.0 + 100.0 * rtp for rtp in range(9)}, {}, {"recovered": 4})
    found = measurement._figures(COUNTS, encoded, decoded, (1000.0, 2000.0))
    assert (found.captured, found.decoded) == (20, 9)
    assert (found.p50, found.p99) == (30.0, 30.0)
    assert found.stall_ms == pytest.approx(170.0)  # from the last decoded frame to the end
    assert found.bps == pytest.approx(100e3)
    assert (found.nacks, found.plis, found.resent, found.key_frames) == (5, 1, 7, 2)
    assert (found.recovered, found.network_p50) == (4, None)


def test_network_times_where_the_receiver_has_them() -> None:
    decoded = DecodedFrames({1: 1050.0}, {1: 1040.0}, {})
    found = measurement._figures(COUNTS, [(1, 1000.0, 10.0)], decoded, (1000.0, 2000.0))
    assert (found.network_p50, found.network_p99, found.recovered) == (40.0, 40.0, None)
