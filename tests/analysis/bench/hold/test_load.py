"""Filling a server up to its limit, and counting its publishers' frames."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from analysis.bench.hold import load
from edge.client.whip_client import PublishError


@dataclass
class Frame:
    """As much of a published frame as is counted."""

    captured_ms: float
    outcome: str | None
    latency_ms: float | None = None


@dataclass
class Outcomes:
    """The frames of a publisher."""

    frames: list[Frame]


@dataclass
class Publisher:
    """Stands in for a light publisher."""

    label: str = ""
    frames: list[Frame] = field(default_factory=list)

    @property
    def outcomes(self) -> Outcomes:
        return Outcomes(self.frames)


async def test_frames_that_ended_in_the_window_are_counted_by_outcome() -> None:
    one = Publisher(
        "one",
        [
            Frame(99.0, "in_time", 5.0),  # before
            Frame(100.0, "in_time", 20.0),
            Frame(110.0, "late", 300.0),
            Frame(120.0, "overload"),
            Frame(130.0, None),  # in flight
            Frame(140.0, "paced"),
            Frame(150.0, "encoder"),
            Frame(200.0, "in_time", 5.0),  # after
        ],
    )
    two = Publisher("two", [Frame(100.0, "overload")])
    publishers: Any = [one, two]
    frames, missed, latencies = await load.count_frames(publishers, 100.0, 200.0)
    assert frames == 4
    assert missed == {"overload": 2, "late": 1}
    assert latencies == [20.0, 300.0]


def options(**changes: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"clients": None, "most": 10, "slo_ms": 150.0} | changes)


async def fill(
    monkeypatch: pytest.MonkeyPatch,
    asked: argparse.Namespace,
    *,
    room: int,
    missed: Callable[[int], int] = lambda clients: 0,
) -> tuple[list[str], str, list[str]]:
    """(labels of the publishers, the limit, labels of those closed) with a server that takes
    `room` sessions, of whose 100 frames `missed` are missed."""
    closed: list[str] = []
    present = 0

    @asynccontextmanager
    async def publishing(url: str, clip: object, **rest: Any) -> AsyncIterator[Publisher]:
        nonlocal present
        if present == room:
            raise PublishError("full")
        present += 1
        yield Publisher(rest["label"])
        closed.append(rest["label"])

    async def recent(publishers: list[Publisher]) -> tuple[int, int]:
        return 100, missed(len(publishers))

    for name in ("_STEP_S", "_SAMPLE_S"):
        monkeypatch.setattr(load, name, 0.0)
    monkeypatch.setattr(load, "publishing", publishing)
    monkeypatch.setattr(load, "_recent", recent)
    clip: Any = None
    async with AsyncExitStack() as stack:
        publishers, limit = await load.fill(stack, "", clip, asked)
        labels, closed_early = [each.label for each in publishers], list(closed)
    return labels, limit, closed_early


async def test_a_server_is_filled_until_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, limit, _ = await fill(monkeypatch, options(), room=3)
    assert labels == ["hold 1", "hold 2", "hold 3"]
    assert limit.startswith("refused")
    assert "full" in limit


async def test_a_publisher_too_many_for_the_devices_leaves_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = await fill(monkeypatch, options(), room=10, missed=lambda clients: 3 * (clients > 4))
    labels, limit, closed = found
    assert labels == [f"hold {number}" for number in range(1, 5)]
    assert limit == "with one more, 3 of 100 frames were missed"
    assert closed == ["hold 5"]


async def test_a_moments_disturbance_is_not_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    disturbed = iter([0, 50])
    found = await fill(
        monkeypatch, options(most=3), room=10, missed=lambda clients: next(disturbed, 0)
    )
    assert len(found[0]) == 3


async def test_a_given_number_of_clients_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, limit, _ = await fill(
        monkeypatch, options(clients=2), room=10, missed=lambda clients: 100
    )
    assert len(labels) == 2
    assert limit == "no more were asked for"
