"""Steady publishers: when frames are due, and what a publisher sends and notes of each."""

from __future__ import annotations

import itertools
import math

import aiohttp
import pytest

from edge.client.rtp.rtp_packetiser import MAX_PAYLOAD, Packetiser
from edge.client.whip_client import WhipClient
from edge.rtc.rtp import ExtensionIds
from netem.publisher.steady_publisher import SendSchedule, SteadyPublisher

FPS, INTERVAL_MS = 20, 50.0


def due(schedule: SendSchedule, until_ms: float) -> list[tuple[float, int, int]]:
    """(when it is due, publisher, frame) of everything due by then."""
    found = []
    while schedule.next_ms <= until_ms:
        at_ms = schedule.next_ms
        popped = schedule.pop(at_ms)
        assert popped is not None
        found.append((at_ms, *popped))
    return found


def test_each_publishers_frames_are_due_at_its_rate_in_order() -> None:
    schedule = SendSchedule(FPS)
    assert schedule.next_ms == math.inf
    for publisher in range(3):
        schedule.add(publisher, 1000.0)
    found = due(schedule, 2000.0)
    assert [at_ms for at_ms, _, _ in found] == sorted(at_ms for at_ms, _, _ in found)
    for publisher in range(3):
        own = [(at_ms, frame) for at_ms, number, frame in found if number == publisher]
        assert [frame for _, frame in own] == list(range(len(own)))
        assert 1000.0 <= own[0][0] <= 1000.0 + INTERVAL_MS
        gaps = [after - before for (before, _), (after, _) in itertools.pairwise(own)]
        assert gaps == pytest.approx([INTERVAL_MS] * len(gaps))
    firsts = {at_ms for at_ms, _, frame in found if frame == 0}
    assert len(firsts) == 3  # phases of their own: no burst of all publishers


def test_late_frames_are_sent_one_by_one_and_none_is_left_out() -> None:
    schedule = SendSchedule(FPS)
    schedule.add(0, 0.0)
    assert schedule.pop(-1.0) is None
    late = [schedule.pop(1e3) for _ in range(10)]
    assert late == [(0, frame) for frame in range(10)]


async def test_a_frame_leaves_as_one_burst_and_its_times_are_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[bytes] = []
    clock = itertools.count(5000.0)
    monkeypatch.setattr("netem.publisher.steady_publisher.now_ms", lambda: next(clock))
    async with aiohttp.ClientSession() as http:
        publisher = SteadyPublisher(WhipClient(http, "http://x"), 3)
        monkeypatch.setattr(publisher._connection, "send", sent.append)
        publisher.packets = Packetiser(7, 96, ExtensionIds())
        publisher.rtp = 90_000
        publisher.send(bytes(3 * MAX_PAYLOAD))
        publisher.report()
        await publisher.close()
    assert [packet[1] & 0x7F for packet in sent] == [96, 96, 96, 200 & 0x7F]
    assert {int.from_bytes(packet[4:8], "big") for packet in sent[:3]} == {90_000}
    [(rtp, first_ms, last_ms)] = publisher.times
    assert rtp == 90_000
    assert first_ms == 5000.0
    assert first_ms < last_ms
