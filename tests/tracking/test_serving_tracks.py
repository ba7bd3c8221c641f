"""A server that follows things: from a publisher's video to answers, feeds, sinks and metrics."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy as np
import pytest

from tests.api.events import metric
from tests.publisher import publishing
from tests.serving import base, serving

FPS = 15
WHOLE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]


def lamp(on_s: float, off_s: float) -> list[av.VideoFrame]:
    """A bright square, of which a simulated device makes a box, that comes and goes."""
    frames = []
    for index in range(round(FPS * (on_s + off_s))):
        image = np.full((192, 256, 3), 60, dtype=np.uint8)
        if index < on_s * FPS:
            image[24:48, 32:64] = 250
        frames.append(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p"))
    return frames


def things(**more: Any) -> dict[str, Any]:
    """Settings of a zone that is the whole picture, and of a rule."""
    return {
        "tracking": {"lost_s": 0.5, "min_hits": 2},
        "zones": [{"name": "all", "label": "door", "polygon": WHOLE, "settle_s": 0.1}],
        "rules": [{"name": "lit", "zone": "all", "more_than": 0, "for_s": 0.3}],
        **more,
    }


async def events_until(
    http: aiohttp.ClientSession, url: str, wanted: set[str]
) -> list[dict[str, Any]]:
    """Messages of a feed, until each of these types has come."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(60), http.get(url) as response:
        assert response.status == 200
        async for line in response.content:
            if line.startswith(b"data: "):
                found.append(json.loads(line.removeprefix(b"data: ")))
                if wanted <= {message["type"] for message in found}:
                    return found
    raise AssertionError("the feed ended")


@pytest.mark.parametrize("ingest", [0, 1])
async def test_what_happens_in_a_zone_is_told_everywhere(tmp_path: Path, ingest: int) -> None:
    sinks = [{"name": "files", "kind": "jsonl", "folder": tmp_path, "types": ["rule_on"]}]
    kinds = ["zone_entered", "rule_on", "zone_left", "rule_off"]
    async with (
        serving(**things(sinks=sinks), ingest=ingest) as server,
        publishing(base(server), lamp(2.0, 2.0), fps=FPS, query={"label": "door"}) as door,
        aiohttp.ClientSession() as http,
    ):
        await door.wait_for_answers()
        feed = f"{base(server)}/api/results?types={','.join(kinds)}"
        events = await events_until(http, feed, {*kinds})
        assert {event["type"] for event in events} == {*kinds}
        assert all(event["label"] == "door" for event in events)
        left = next(event for event in events if event["type"] == "zone_left")
        assert (left["zone"], left["why"]) == ("all", "lost")
        answers = [each for each in door.of_type("detections") if each["boxes"]]
        assert all(isinstance(box[6], int) for each in answers for box in each["boxes"])
        async with asyncio.timeout(60):
            while True:
                if (await metric(http, base(server), "edge_zone_entered"))["all"]:
                    break
                await asyncio.sleep(0.1)  # it is counted once a second
        assert (await metric(http, base(server), "edge_zone_occupancy")).keys() == {"all"}
        async with http.get(f"{base(server)}/api/sessions") as response:
            [session] = (await response.json())["sessions"]
        assert session["scene"]["zones"].keys() == {"all"}
    lines = [json.loads(line) for line in (tmp_path / "files.jsonl").read_text().splitlines()]
    assert lines
    assert {(line["type"], line["rule"], line["label"]) for line in lines} == {
        ("rule_on", "lit", "door")
    }


async def test_a_steady_thing_has_one_id_whatever_its_publisher_wants_to_see(
    tmp_path: Path,
) -> None:
    """The zone counts what the publisher has left out."""
    wanted = {"label": "door", "min_score": "1"}
    sinks = [{"name": "files", "kind": "jsonl", "folder": tmp_path}]  # so that events are kept
    patient = {"lost_s": 30, "min_hits": 1}  # a busy machine may leave out seconds
    async with (
        serving(**things(tracking=patient, sinks=sinks)) as server,
        publishing(base(server), lamp(60.0, 0.0)[:FPS], fps=FPS, query=wanted) as door,
        publishing(base(server), lamp(60.0, 0.0)[:FPS], fps=FPS) as other,
        aiohttp.ClientSession() as http,
    ):
        url = f"{base(server)}/api/results?label=door&types=zone_entered&after=0-0"
        [event] = await events_until(http, url, {"zone_entered"})
        assert event["track"] == 1
        await other.wait_for_answers(20)
        assert all(each["boxes"] == [] for each in door.of_type("detections"))
        assert {box[6] for each in other.of_type("detections") for box in each["boxes"]} == {1}


async def test_without_the_setting_boxes_are_as_before() -> None:
    async with (
        serving() as server,
        publishing(base(server), lamp(60.0, 0.0)[:FPS], fps=FPS) as me,
    ):
        await me.wait_for_answers()
        boxes = [box for each in me.of_type("detections") for box in each["boxes"]]
        assert boxes
        assert {len(box) for box in boxes} == {6}


@pytest.mark.parametrize("ingest", [0, 2])
async def test_a_session_that_takes_over_goes_on_with_the_tracks(ingest: int) -> None:
    frames = lamp(1.0, 1.2)  # a new track each time

    def has_second(message: dict[str, Any]) -> bool:
        return any(box[6] >= 2 for box in message.get("boxes", []))

    async with (
        serving(**things(), ingest=ingest) as server,
        publishing(base(server), frames, fps=FPS, query={"label": "door"}) as old,
    ):
        await old.wait_for(has_second)
        replaces = {"replaces": old.location.rpartition("/")[2]}
        async with publishing(base(server), frames, fps=FPS, query=replaces) as new:
            answer = await new.wait_for(lambda message: bool(message.get("boxes")))
            assert all(box[6] >= 2 for box in answer["boxes"])
