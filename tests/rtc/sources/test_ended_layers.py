"""Layers that end, come back and are replaced: every capture ends once, and the best is served."""

from __future__ import annotations

import pytest
from aiortc import rtp

from tests.rtc.sources.layers import Layer, Receiving, receiving

SIZES = [(64, 36), (128, 72), (256, 144)]
WAYS = ["same stamps", "SIM", "rids"]


def _three(way: str) -> list[Layer]:
    return [
        Layer(
            100 + place,
            size,
            offset=0 if way == "same stamps" else 1_000_003 * place,
            rid="qhf"[place] if way == "rids" else "",
        )
        for place, size in enumerate(SIZES)
    ]


def _named(way: str, layers: list[Layer]) -> list[int]:
    return [each.ssrc for each in layers] if way == "SIM" else []


def _goodbye(running: Receiving, layer: Layer) -> None:
    running.receiver.handle_rtcp(bytes(rtp.RtcpByePacket(sources=[layer.ssrc])), running.at_ms)


def _counted_otherwise(running: Receiving, layers: list[Layer], captures: int) -> dict[int, int]:
    """The captures that did not end once, and how often they did."""
    counts = {
        index: sum(running.ends[rtp] for rtp in {each.rtp(index) for each in layers})
        for index in range(captures)
    }
    return {index: count for index, count in counts.items() if count != 1}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("which", [0, 1, 2])
async def test_a_layer_that_says_goodbye(way: str, which: int) -> None:
    layers = _three(way)
    async with receiving(*layers, layers=_named(way, layers)) as running:
        for index in range(30):
            await running.capture(index, layers)
        _goodbye(running, layers[which])
        rest = [each for each in layers if each is not layers[which]]
        for index in range(30, 60):
            await running.capture(index, rest)
        await running.finish()
        assert _counted_otherwise(running, layers, 60) == {}
        assert running.sizes[-1] == rest[-1].size


@pytest.mark.parametrize("way", ["same stamps", "rids"])
async def test_a_layer_that_comes_back_after_its_goodbye_without_a_rid(way: str) -> None:
    layers = _three(way)
    async with receiving(*layers) as running:
        for index in range(30):
            await running.capture(index, layers)
        for each in layers:
            each.rid = b""  # as senders do once a packet with it was acknowledged
        for index in range(30, 45):
            await running.capture(index, layers)
        _goodbye(running, layers[2])
        for index in range(45, 60):
            await running.capture(index, layers[:2])
        layers[2].asked = True
        for index in range(60, 120):
            await running.capture(index, layers)
        await running.finish()
        assert _counted_otherwise(running, layers, 120) == {}
        assert running.sizes[-1] == SIZES[2]


@pytest.mark.parametrize("way", ["same stamps", "rids"])
async def test_the_best_layer_goes_on_as_another_source(way: str) -> None:
    layers = _three(way)
    other = Layer(
        300, SIZES[2], offset=0 if way == "same stamps" else 5_000_000, rid=layers[2].rid.decode()
    )
    async with receiving(*layers, other) as running:
        for index in range(30):
            await running.capture(index, layers)
        for index in range(30, 80):
            await running.capture(index, [*layers[:2], other])
        await running.finish()
        assert _counted_otherwise(running, [*layers, other], 80) == {}
        assert running.sizes[-1] == SIZES[2]


async def test_more_layers_than_are_known_at_a_time() -> None:
    layers = [Layer(100 + place, (64 + 16 * place, 36)) for place in range(10)]
    async with receiving(*layers) as running:
        for index in range(30):
            await running.capture(index, layers)
        await running.finish()
        assert _counted_otherwise(running, layers, 30) == {}
