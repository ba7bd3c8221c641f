"""A frame's cost in the complete server, by process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

from analysis.bench.ingest import server_cost

FAMILY = {"server": [1], "ingest": [2, 3], "workers": [4]}


class Publishers:
    """Stands in for the process of steady publishers: two streams of 30 frames."""

    def __init__(self) -> None:
        self.streams = ""

    async def line(self, text: str) -> str:
        self.streams = text
        return ""

    async def take(self) -> dict[str, Any]:
        return {"/whip/0": [0] * 30, "/whip/1": [0] * 30}


async def test_processor_time_is_divided_by_the_frames_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publishers, settings = Publishers(), dict[str, str]()
    ticks: dict[int, Iterator[int]] = {pid: count() for pid in range(1, 5)}

    @asynccontextmanager
    async def serving(device: str, ingest: int, **more: str) -> AsyncIterator[tuple[int, str]]:
        settings.update(more)
        yield 1, "http://x"

    @asynccontextmanager
    async def publishing(url: str) -> AsyncIterator[Publishers]:
        yield publishers

    monkeypatch.setattr(server_cost, "SETTLE_S", 0.0)
    monkeypatch.setattr(server_cost, "serving", serving)
    monkeypatch.setattr(server_cost, "publishing", publishing)
    monkeypatch.setattr(server_cost, "process_family", lambda pid: FAMILY)
    monkeypatch.setattr(server_cost, "cpu_s", lambda pid: 0.3 * pid * next(ticks[pid]))
    cost = await server_cost.measure(2, 16, 0.0)
    assert publishers.streams == "16"
    assert settings == {"EDGE_ADMISSION": "false", "EDGE_MAX_SESSIONS": "64"}
    assert (cost.ingest, cost.streams, cost.frames) == (2, 16, 60)
    # A third of a second by the server's one process, 1.5 s by the two that receive.
    assert cost.cpu_ms == pytest.approx({"server": 5.0, "ingest": 25.0})
