"""RTP as a weapon: invented gaps draw few requests, and work is charged to its sender."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest

from edge.rtc.jitter.loss_recovery import MAX_PROBED
from edge.rtc.jitter.nack import FIRST_REQUESTS
from edge.rtc.rtp import is_rtcp
from tests.rtc.publishing import Publisher, Watcher

pytestmark = pytest.mark.hostile


def _leap(publisher: Publisher, step: int) -> None:
    """From now on each packet's sequence number is by `step` higher than the one before."""
    [transceiver] = publisher.connection.getTransceivers()
    transport: Any = transceiver.sender.transport
    send, number = transport._send_rtp, 0

    async def leaping(datagram: bytes) -> None:
        nonlocal number
        if not is_rtcp(datagram):
            number += step
            datagram = datagram[:2] + struct.pack("!H", number & 0xFFFF) + datagram[4:]
        await send(datagram)
        publisher.news.set()

    transport._send_rtp = leaping


@pytest.mark.parametrize("step", [20, 160, 499, 998])
async def test_invented_gaps_draw_no_more_requests_than_packets(step: int) -> None:
    watcher, publisher = Watcher(), Publisher()
    _leap(publisher, step)
    try:
        await watcher.connect(publisher)
        for _ in range(150):  # packets, or more
            publisher.news.clear()
            async with asyncio.timeout(60):
                await publisher.news.wait()
        counts = watcher.peer.counts
        probed = MAX_PROBED * (counts.packets // 10 + 3)
        assert counts.nacked <= counts.packets + FIRST_REQUESTS + probed
        assert watcher.peer.suppressed_errors == 0
    finally:
        await watcher.peer.close()
        await publisher.connection.close()


async def test_processor_time_above_its_share_ends_a_session() -> None:
    offences: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    options: dict[str, Any] = {
        "on_offence": lambda *offence: offences.put_nowait(offence),
        "max_processor_share": 0.001,  # what every publisher takes, so that none has to attack
    }
    watcher, publisher = Watcher(**options), Publisher()
    try:
        await watcher.connect(publisher)
        async with asyncio.timeout(60):
            code, reason = await offences.get()
        received = watcher.peer.received_bytes
        await asyncio.sleep(0.1)
        assert watcher.peer.received_bytes == received  # nothing is read any more
    finally:
        await watcher.peer.close()
        await publisher.connection.close()
    assert offences.empty()
    assert code == "excess"
    assert "of a processor core" in reason
