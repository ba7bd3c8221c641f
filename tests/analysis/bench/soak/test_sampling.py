"""Resources of processes, and sessions that come and go."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from analysis.bench.soak import sampling
from analysis.bench.soak.figures import Footprint
from edge.client.whip_client import PublishError


def test_a_processes_resources_are_read() -> None:
    before = sampling._footprint(os.getpid())
    reader, writer = os.pipe()
    try:
        after = sampling._footprint(os.getpid())
    finally:
        os.close(reader)
        os.close(writer)
    assert before.rss_mb > 1.0
    assert before.threads >= 1
    assert after.descriptors == before.descriptors + 2
    assert sampling._footprint(os.getpid()).descriptors == before.descriptors


def test_processes_of_one_kind_are_added_up() -> None:
    one, two = Footprint(10.0, 3, 20, 1), Footprint(5.0, 1, 4, 1)
    assert sampling._sum(None, one) == one
    assert sampling._sum(one, two) == Footprint(15.0, 4, 24, 2)


class Publisher:
    """Stands in for a light publisher."""

    def __init__(self, number: int) -> None:
        self.reason = "idle" if number == 2 else None
        self.lost = False
        self.answered = number != 3

    async def ended(self) -> None:
        if self.reason is None:
            await asyncio.Event().wait()

    def lose_network(self) -> None:
        self.lost = True

    def stats(self) -> SimpleNamespace:
        return SimpleNamespace(in_time=int(self.answered))


async def test_every_session_has_its_end_and_is_followed_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter(range(0, 10_000, 10))
    publishers: list[Publisher] = []

    @asynccontextmanager
    async def publishing(url: str, clip: object, **rest: Any) -> AsyncIterator[Publisher]:
        publishers.append(Publisher(len(publishers)))
        if len(publishers) == 2:
            raise PublishError("full")
        yield publishers[-1]

    async def no_wait(seconds: float) -> None:
        return

    monkeypatch.setattr(sampling, "publishing", publishing)
    monkeypatch.setattr(sampling, "now_ms", lambda: float(next(clock)))
    monkeypatch.setattr(sampling, "_STAY_S", (0.0, 0.0))
    monkeypatch.setattr(sampling.asyncio, "sleep", no_wait)  # type: ignore[attr-defined]
    ends: Counter[str] = Counter()
    clip: Any = None
    await sampling._churn("", clip, argparse.Namespace(clients=1), 0.2, ends)
    assert ends["refused"] == ends["ended by the server"] == ends["never answered in time"] == 1
    sessions = ends["left"] + ends["vanished"]
    assert sessions == len(publishers) - 2
    assert ends["vanished"] == sum(publisher.lost for publisher in publishers) > 0
