"""How fast packets leave."""

from __future__ import annotations

import pytest

from edge.client.rtp.pacer import BURST_MS, PACE, PacketPacer


def test_the_pacer_spreads_a_frame_at_its_rate() -> None:
    pacer = PacketPacer(1e6)
    pacer.push([bytes(1000)] * 20)
    now_ms, left = 0.0, []
    while len(pacer):
        while pacer.pop(now_ms) is not None:
            left.append(now_ms)
        due_ms = pacer.next_ms()
        assert due_ms is None or due_ms > now_ms
        now_ms = due_ms if due_ms is not None else now_ms
    each_ms = 8000 / (PACE * 1e6) * 1000
    assert len(left) == 20
    assert left[-1] == pytest.approx(19 * each_ms, abs=BURST_MS + each_ms)
    assert all(at_ms >= index * each_ms - BURST_MS - each_ms for index, at_ms in enumerate(left))


def test_a_fast_estimate_lets_a_frame_leave_at_once() -> None:
    pacer = PacketPacer(100e6)
    pacer.push([bytes(1000)] * 10)
    assert pacer.waiting_ms == pytest.approx(0.32)
    assert sum(pacer.pop(0.0) is not None for _ in range(10)) == 10
    assert (len(pacer), pacer.waiting_ms, pacer.next_ms()) == (0, 0.0, None)
