"""Sources that send side by side: the best layer is served, and every frame ends once."""

from __future__ import annotations

import itertools
import random

import pytest

from tests.rtc.sources.layers import Layer, Receiving, receiving
from tests.rtc.streams import PER_FRAME

SIZES = [(64, 36), (128, 72), (256, 144)]
KINDS = ["vp8", "h264"]


def _three(
    codec: str = "vp8",
    *,
    offsets: bool = False,
    rids: str = "",
) -> list[Layer]:
    return [
        Layer(
            100 + place,
            size,
            codec=codec,
            offset=1_000_003 * place if offsets else 0,
            rid=rids[place : place + 1],
        )
        for place, size in enumerate(SIZES)
    ]


def _check(running: Receiving, captures: dict[int, list[Layer]]) -> None:
    """Each capture has one end, whichever of its layers it came from."""
    for index, layers in captures.items():
        rtps = {layer.rtp(index) for layer in layers}
        assert sum(running.ends[each] for each in rtps) == 1, (index, running.reasons)
    assert running.ends.total() == len(captures)


@pytest.mark.parametrize("codec", KINDS)
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("way", ["same stamps", "SIM", "rids"])
async def test_the_best_layer_is_served(codec: str, order: tuple[int, ...], way: str) -> None:
    layers = _three(codec, offsets=way != "same stamps", rids="qhf" if way == "rids" else "")
    named = [each.ssrc for each in layers] if way == "SIM" else []
    sent = [layers[place] for place in order]
    async with receiving(*layers, layers=named) as running:
        for index in range(20):
            await running.capture(index, sent)
        await running.finish()
        assert set(running.sizes[1:]) == {SIZES[-1]}  # the first may be of the first to come
        assert running.reasons["served"] >= 19
        _check(running, dict.fromkeys(range(20), layers))
        assert sum(each.requests for each in layers) <= 1


@pytest.mark.parametrize(
    ("wanted", "served"),
    [(32, SIZES[0]), (100, SIZES[1]), (128, SIZES[1]), (129, SIZES[2])],
)
async def test_the_plan_decides(wanted: int, served: tuple[int, int]) -> None:
    layers = _three()
    async with receiving(*layers) as running:
        for index in range(5):
            await running.capture(index, layers)
        assert running.sizes[-1] == SIZES[2]
        running.receiver.set_long_side(wanted)
        for index in range(5, 50):
            await running.capture(index, layers)
        assert running.sizes[-1] == served
        running.receiver.set_long_side(608)
        for index in range(50, 95):
            await running.capture(index, layers)
        assert running.sizes[-1] == SIZES[2]
        await running.finish()
        assert running.reasons["served"] >= 90  # a slow decoder drops some
        _check(running, dict.fromkeys(range(95), layers))
        assert sum(each.requests for each in layers) <= 2


@pytest.mark.parametrize("codec", KINDS)
@pytest.mark.parametrize("offsets", [False, True])
async def test_a_layer_that_falls_silent_gives_way_and_comes_back(
    codec: str, *, offsets: bool
) -> None:
    layers = _three(codec, offsets=offsets)
    captures = {}
    async with receiving(*layers, layers=[each.ssrc for each in layers]) as running:
        for index in range(90):
            sent = layers[:2] if 15 <= index < 40 else layers
            if index == 40:
                layers[2].asked = True  # a sender that takes a layer up again begins anew
            captures[index] = sent
            await running.capture(index, sent)
            if index == 38:
                assert running.sizes[-1] == SIZES[1]
        await running.finish()
        assert running.sizes[-1] == SIZES[2]
        assert running.reasons["served"] >= 80
        _check(running, captures)


async def test_slow_layers_are_not_silent_between_two_frames() -> None:
    layers = _three()
    async with receiving(*layers) as running:
        for index in range(20):
            for layer in layers:
                for packet in layer.packets(15 * index):
                    running.receiver.handle_rtp(packet, running.at_ms)
                running.at_ms += 1.0
            await running.decoded()
            running.pass_time(running.at_ms + 997.0)
        await running.finish()
        assert set(running.sizes[1:]) == {SIZES[2]}
        _check(running, {15 * index: layers for index in range(20)})
        assert running.receiver.jitter.counts.resets <= 2  # both at the first capture


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("run", [1, 2, 3, 7])
async def test_sources_that_take_turns(count: int, run: int) -> None:
    """Each has the captures of its own turns: one is served or several, every frame ends once."""
    sources = [Layer(7 + place, SIZES[0]) for place in range(count)]
    captures = {}
    async with receiving(*sources) as running:
        for index in range(80):
            captures[index] = [sources[index // run % count]]
            await running.capture(index, captures[index])
        await running.finish()
        assert set(running.reasons) <= {"served", "superseded", "lost"}
        assert running.reasons["served"] > 10
        _check(running, captures)


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_sources_do_every_frame_ends_once(seed: int) -> None:
    """Layers that come and go in any order, and strangers with captures of their own."""
    chance = random.Random(seed)
    offsets = chance.random() < 0.5
    layers = _three(chance.choice(KINDS), offsets=offsets)
    strangers = [Layer(900 + place, SIZES[0], offset=PER_FRAME // 2) for place in range(2)]
    strangers[1].offset += 7
    alive = set(layers)
    captures: dict[int, list[Layer]] = {}
    own: dict[int, list[Layer]] = {}
    named = [each.ssrc for each in layers] if offsets or chance.random() < 0.5 else []
    async with receiving(*layers, *strangers, layers=named) as running:
        for index in range(90):
            if chance.random() < 0.06:
                changed = chance.choice(layers)
                if changed in alive and len(alive) > 1:
                    alive.discard(changed)
                elif changed not in alive:
                    changed.asked = True
                    alive.add(changed)
            sent = sorted(alive, key=lambda each: each.ssrc)
            if chance.random() < 0.3:
                chance.shuffle(sent)
            captures[index] = list(sent)
            own[index] = [each for each in strangers if chance.random() < 0.1]
            await running.capture(index, [*sent, *own[index]])
        await running.finish()
        for index, sent in captures.items():
            ends = sum(running.ends[rtp] for rtp in {each.rtp(index) for each in sent})
            assert ends == 1, (index, running.reasons)
            assert all(running.ends[each.rtp(index)] == 1 for each in own[index]), index


async def test_a_flood_of_sources_is_bounded() -> None:
    layer = Layer(1, SIZES[0])
    flood = Layer(2, SIZES[0]).packets(0)[0]
    chance = random.Random(1)
    async with receiving(layer) as running:
        await running.capture(0, [layer])
        for _ in range(5000):
            head = chance.randbytes(8)  # a timestamp and a source
            running.receiver.handle_rtp(flood[:4] + head + flood[12:], running.at_ms)
            running.at_ms += 0.2
        await running.capture(99, [layer])
        assert len(running.receiver._sources._sources) <= 8
        await running.finish()
        assert running.reasons["superseded"] == 5000
        assert running.ends.total() == 5002
        assert running.sizes == [SIZES[0]] * 2
