"""Offers that cost the most: none holds up the other sessions."""

from __future__ import annotations

import time

import pytest

from edge.rtc.sdp.description import MAX_CHARS, MAX_LINES, split
from tests.hostile.fuzz_sdp import SdpTarget
from tests.rtc.sdp.worst_offers import worst_offers

_MOST_MS = 40.0  # of processor time; `python -m tests.hostile.fuzz` judges by 20 ms
_TRIES = 5  # a busy machine costs processor time as well: the best counts
_OFFERS = worst_offers()


@pytest.mark.parametrize("name", _OFFERS)
async def test_no_offer_within_the_bounds_takes_long(name: str) -> None:
    text, target = _OFFERS[name], SdpTarget()
    session, groups = split(text)
    assert len(text) <= MAX_CHARS
    assert len(session) + sum(map(len, groups)) <= MAX_LINES
    spent_ms: list[float] = []
    for _ in range(_TRIES):
        begin_s = time.thread_time()
        await target.feed(text.encode())
        spent_ms.append(1000.0 * (time.thread_time() - begin_s))
    assert min(spent_ms) < _MOST_MS
