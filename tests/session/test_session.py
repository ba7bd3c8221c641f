"""A publisher's channels and frames, over a real server and connection."""

from __future__ import annotations

import asyncio
import itertools
from functools import partial
from typing import Any

import av
import numpy as np
import pytest

from edge.session.session import Session
from tests.publisher import WhipPublisher, publishing
from tests.serving import base, local, noise, serving

LEGS = ["captured", "received", "decoded", "dispatched", "inferred", "sent"]


async def test_a_publisher_gets_a_welcome_a_hint_and_timed_detections() -> None:
    async with (
        serving() as server,
        publishing(base(server), noise(320, 192), query={"slo_ms": "500", "label": "door"}) as me,
    ):
        me_hello = {"version": 1, "slo_ms": 400, "fps": 15, "label": "gate"}
        await me.wait_for_type("detections")
        me.send("hello", **me_hello)
        welcome = await me.wait_for_type("welcome")
        hint = await me.wait_for_type("hint")
        answer = me.of_type("detections")[-1]
        [session] = local(server)
    assert welcome["session"] == session.id
    assert welcome["slo_ms"] == 400
    assert "yolov4-tiny-416" in welcome["variants"]
    assert "person" in welcome["classes"]
    assert set(hint) == {"type", "seq", "max_edge", "fps", "max_bps", "variant", "reason"}
    assert 0 <= answer["rtp"] < 2**32
    assert answer["variant"].startswith("yolov4-tiny-")
    times = [answer["t"][leg] for leg in LEGS]
    assert times == sorted(times)
    assert session.label == "gate"


async def test_rtp_timestamps_are_the_senders_own() -> None:
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for_answers(6)
        stamps = [each["rtp"] for each in me.of_type("detections")]
    gaps = {(after - before) % 2**32 for before, after in itertools.pairwise(stamps)}
    # 15 fps of 90 kHz, to the tick that the sender's own arithmetic may be off
    assert all(abs(gap - 6000 * round(gap / 6000)) <= 1 and gap < 90_000 for gap in gaps), gaps


async def test_statistics_tell_what_became_of_packets() -> None:
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for_answers(1)
        stats = await me.wait_for(lambda it: it["type"] == "stats" and it["packets"]["frames"] > 0)
    packets = stats["packets"]
    assert packets["packets"] >= packets["frames"]
    assert packets["missed"] == packets["frames_lost"] == 0
    assert stats["edge"] == 320


async def test_clock_messages_are_echoed() -> None:
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for_type("detections")
        me.send("ping", t0_ms=123.5)
        pong = await me.wait_for_type("pong")
    assert pong["t0_ms"] == 123.5
    assert pong["t1_ms"] <= pong["t2_ms"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"type": "ping", "t0', "not_json"),
        ("[1]", "not_an_object"),
        ('{"type": "ping", "t0_ms": "soon"}', "bad_field"),
        ('{"type": "hello", "version": 2}', "version"),
        ('{"type": "x", "y": "' + "z" * 60_000 + '"}', "too_large"),
        (b"\xff\xfe", "not_json"),
    ],
)
async def test_bad_messages_cost_an_error_and_nothing_else(text: str | bytes, code: str) -> None:
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for_type("detections")
        me.control.send(text)
        assert (await me.wait_for_type("error"))["code"] == code
        me.send("ping", t0_ms=1)
        await me.wait_for_type("pong")
        assert len(server.sessions) == 1


async def test_a_flood_of_messages_is_cut_short() -> None:
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for_type("detections")
        for _ in range(300):
            me.send("ping", t0_ms=1)
        await me.wait_for(lambda each: each.get("code") == "too_many")
        assert len(me.of_type("pong")) <= 250  # two seconds' worth, and some


def _bright_and_dark() -> list[av.VideoFrame]:
    """Grey, with two bright cells and a dark one: a simulated device makes its boxes of these,
    and takes their classes from their luma."""
    planes = np.full((192 * 3 // 2, 320), 128, dtype=np.uint8)
    planes[0:24, 0:40] = planes[48:72, 80:120] = 235
    planes[96:120, 160:200] = 16
    return [av.VideoFrame.from_ndarray(planes, format="yuv420p")]


async def test_classes_are_filtered() -> None:
    pictures = _bright_and_dark()
    async with serving() as server:
        async with publishing(base(server), pictures) as everything:
            answer = await everything.wait_for(lambda each: len(each.get("boxes", ())) == 3)
        bright = server.models.default.class_names[60:]
        assert sorted(box[0] in bright for box in answer["boxes"]) == [False, True, True]
        query = {"classes": ",".join(bright)}
        async with publishing(base(server), pictures, query=query) as me:
            await me.wait_for_answers(3)
            for each in me.of_type("detections"):
                assert all(box[0] in bright for box in each["boxes"])
            assert any(len(each["boxes"]) == 2 for each in me.of_type("detections"))


async def test_a_publisher_cannot_ask_for_more_than_the_operator_gives() -> None:
    async with serving(fps=10) as server, publishing(base(server), noise(320, 192), fps=30) as me:
        me_hello = {"version": 1, "fps": 240}
        await me.wait_for_type("detections")
        me.send("hello", **me_hello)
        await me.wait_for_type("welcome")
        hint = await me.wait_for_type("hint")
        paced = await me.wait_for(lambda each: each.get("reason") == "paced")
    assert hint["fps"] <= 10
    assert paced["type"] == "dropped"


async def test_sizes_may_change_in_mid_stream() -> None:
    """Odd, tiny and 4K pictures: each answered or refused in words, none costs the session."""
    async with (
        serving(slo_ms=2000) as server,
        publishing(base(server), noise(320, 192), fps=10) as me,
    ):
        await me.wait_for_type("detections")
        [session] = local(server)
        for width, height in ((641, 273), (16, 16), (320, 192)):
            me.track.frames[:] = noise(width, height)
            even = (width - width % 2, height - height % 2)  # an encoder may cut odd sides
            async with asyncio.timeout(20):
                while session.size not in ((width, height), even):
                    await me.wait_for_answers()
            await me.wait_for_answers(2)
        me.track.frames[:] = noise(3840, 2160, count=1)
        error = await me.wait_for(lambda each: each["type"] == "error", timeout=60)
        assert error["code"] == "too_large"
        assert "2088960 pixels" in error["message"]
        assert (await me.wait_for(lambda each: each.get("reason") == "too_large"))["rtp"] >= 0
        me.track.frames[:] = noise(320, 192)
        await me.wait_for_answers(1, timeout=60)


def _more_than(publisher: WhipPublisher, count: int, _: dict[str, Any]) -> bool:
    return len(publisher.messages) > count


async def test_a_publisher_that_vanishes_is_let_go_and_others_stay() -> None:
    async with (
        serving(media_timeout_s=3.0) as server,
        publishing(base(server), noise(320, 192)) as stays,
        publishing(base(server), noise(320, 192)) as goes,
    ):
        await stays.wait_for_type("detections")
        await goes.wait_for_type("detections")
        gone = server.sessions.get(goes.location.rsplit("/", 1)[1])
        assert gone is not None
        goes.track.running.clear()
        async with asyncio.timeout(20):
            while gone in list(server.sessions):
                count = len(stays.messages)
                await stays.wait_for(partial(_more_than, stays, count))
        assert isinstance(gone, Session)
        assert gone.state == "closed"
        assert len(server.sessions) == 1


async def test_each_frame_that_came_ends_in_one_count() -> None:
    async with serving() as server, publishing(base(server), noise(320, 192), fps=30) as me:
        await me.wait_for_answers(30)
        [session] = local(server)
        await server.sessions.close(session, "test")
    ended = me.of_type("detections") + me.of_type("dropped")
    stamps = [each["rtp"] for each in ended]
    assert len(stamps) == len(set(stamps))
    assert sum(session.outcomes.values()) == session.peer.counts.frames
