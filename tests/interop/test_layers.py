"""Simulcast from senders that send whatever they like, over real connections: all layers that they
offer, in any order, though the answer asks for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import pytest

from edge.rtc import rtp
from edge.rtc.decoding.decoded_frame import DecodedFrame
from edge.session.frames.frame_accounting import FrameAccounting
from tests.interop.scripted_sender import RUN_IN_S, ScriptedSender, sending
from tests.rtc.sources.layers import STREAM_ID, Layer
from tests.serving import base, serving

pytestmark = pytest.mark.interop

FPS = 15
CAPTURES = 36
KEY_EVERY = 15
SIZES = {"q": (64, 36), "h": (128, 72), "f": (256, 144)}


def simulcast(lines: Sequence[str]) -> Callable[[str], str]:
    """An offer with these lines in its video section, and the extension that names layers."""

    def edit(sdp: str) -> str:
        extension = f"a=extmap:{STREAM_ID} {rtp.STREAM_ID}"
        taken = [line for line in sdp.splitlines() if line.startswith(f"a=extmap:{STREAM_ID} ")]
        assert len(taken) <= 1, sdp
        kept = [line for line in sdp.splitlines() if line not in taken]
        return "\r\n".join([*kept, extension, *lines]) + "\r\n"

    return edit


def rids(order: str, *, paused: str = "", widths: bool = False) -> list[str]:
    restricted = {
        rid: f" max-width={SIZES[rid][0]};max-height={SIZES[rid][1]}" * widths for rid in order
    }
    sent = ";".join(f"~{rid}" if rid in paused else rid for rid in order)
    lines = [f"a=rid:{rid} send{restricted[rid]}" for rid in order]
    return [*lines, f"a=simulcast:send {sent}"]


async def send(sender: ScriptedSender, captures: Iterable[Sequence[Layer]]) -> None:
    loop = asyncio.get_running_loop()
    begin_s = loop.time() + RUN_IN_S
    for index, layers in enumerate(captures):
        await asyncio.sleep(max(0.0, begin_s + index / FPS - loop.time()))
        for layer in layers:
            layer.payload_type = sender.payload_type
            layer.asked = layer.asked or index % KEY_EVERY == 0
            for packet in layer.packets(index):
                await sender.video.sender.transport._send_rtp(packet)


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Of the pictures that were served."""
    found: list[tuple[int, int]] = []
    decoded = FrameAccounting.decoded

    def noted(self: FrameAccounting, frame: DecodedFrame, *arguments: object) -> None:
        found.append((frame.width, frame.height))
        decoded(self, frame, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(FrameAccounting, "decoded", noted)
    return found


@pytest.mark.parametrize(("codec", "offsets"), [("vp8", False), ("h264", True)])
@pytest.mark.parametrize(
    ("lines", "sent"),
    [
        pytest.param(rids("qhf"), "qhf", id="all, small to large"),
        pytest.param(rids("fhq"), "fhq", id="all, large to small"),
        pytest.param(rids("hfq", widths=True), "hfq", id="with sizes"),
        pytest.param(rids("qhf", paused="f"), "qh", id="one paused"),
        pytest.param(rids("qhf", paused="f"), "fqh", id="one paused and sent all the same"),
        pytest.param(rids("qhf"), "f", id="the one asked for"),
        pytest.param(rids("qhf"), "q", id="another one than asked for"),
        pytest.param(["a=ssrc-group:SIM 11 12 13"], "qhf", id="without rids"),
    ],
)
async def test_the_best_layer_that_comes_is_served_and_every_frame_counts_once(
    codec: str, lines: list[str], sent: str, sizes: list[tuple[int, int]], *, offsets: bool
) -> None:
    named = "rid" in lines[0]
    layers = [
        Layer(
            11 + list(SIZES).index(rid),
            SIZES[rid],
            codec=codec,
            rid=rid if named else "",
            offset=3_000_017 * list(SIZES).index(rid) if offsets else 0,
        )
        for rid in sent
    ]
    async with (
        serving() as server,
        sending(base(server), edit=simulcast(lines), codec=codec) as sender,
    ):
        await send(sender, [layers] * CAPTURES)
        await sender.wait_for(CAPTURES)
        best = max(SIZES[rid] for rid in sent)
        # Where layers' timestamps differ, a layer is taken once it is known which are the same.
        assert set(sizes[-1:] if offsets else sizes[1:]) == {best}
        for index in range(CAPTURES):
            rtps = {each.rtp(index) for each in layers}
            ends = [each for each in sender.results if each.get("rtp") in rtps]
            assert len(ends) == sum(sender.ended[each] for each in rtps) == 1, (index, ends)
        assert sender.ended.total() == CAPTURES


@pytest.mark.parametrize("order", ["qhf", "fhq"])
async def test_of_layers_whose_names_tell_nothing_the_best_is_served(
    order: str, sizes: list[tuple[int, int]]
) -> None:
    layers = [Layer(11 + place, SIZES[rid], rid=str(place)) for place, rid in enumerate(order)]
    lines = ["a=rid:0 send", "a=rid:1 send", "a=rid:2 send", "a=simulcast:send 0;1;2"]
    async with serving() as server, sending(base(server), edit=simulcast(lines)) as sender:
        await send(sender, [layers] * CAPTURES)
        await sender.wait_for(CAPTURES)
        assert sizes[-1] == SIZES["f"]
        assert sender.ended == {layers[0].rtp(index): 1 for index in range(CAPTURES)}


@pytest.mark.parametrize("count", [2, 3])
async def test_sources_that_alternate_have_every_frame_counted(count: int) -> None:
    sources = [Layer(11 + place, SIZES["q"]) for place in range(count)]
    async with serving() as server, sending(base(server)) as sender:
        captures = [[sources[index % count]] for index in range(CAPTURES)]
        await send(sender, captures)
        await sender.wait_for(CAPTURES)
        assert sender.ended == {sources[0].rtp(index): 1 for index in range(CAPTURES)}


async def test_a_layer_that_is_switched_off_and_on(sizes: list[tuple[int, int]]) -> None:
    layers = [Layer(11 + place, SIZES[rid], rid=rid) for place, rid in enumerate(SIZES)]
    async with serving() as server, sending(base(server), edit=simulcast(rids("qhf"))) as sender:
        captures = [layers[:2] if 20 <= index < 50 else layers for index in range(80)]
        await send(sender, captures)
        await sender.wait_for(80)
        served = list(dict.fromkeys(sizes[1:]))
        assert served == [SIZES["f"], SIZES["h"]]
        assert sizes[-1] == SIZES["f"]
        assert sender.ended == {layers[0].rtp(index): 1 for index in range(80)}
