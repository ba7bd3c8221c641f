"""A server that keeps clips: from a real session's packets to files that decode, frame by frame."""

from __future__ import annotations

import asyncio
import json
import shutil
from itertools import accumulate
from pathlib import Path
from typing import Any

import aiohttp
import av
import pytest

from tests.api.events import metric
from tests.clips.raw_publisher import SentFrame, content, publishing_raw, stream
from tests.publisher import publishing
from tests.serving import base, serving
from tests.tracking.test_serving_tracks import lamp

WHOLE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
FPS = 20
BUSY = {"superseded", "late", "overload", "paced", "unschedulable", "no_plan"}  # a busy machine's


def clipping(folder: Path, **clips: Any) -> dict[str, Any]:
    """Settings whose one rule comes true a second after a session's first answer."""
    return {
        "zones": [{"name": "all", "polygon": WHOLE}],
        "rules": [{"name": "always", "zone": "all", "fewer_than": 1000, "for_s": 0.7}],
        "clips": {"folder": folder, "events": ["rule_on"], "before_s": 30, "after_s": 0.5, **clips},
    }


async def descriptions(folder: Path, count: int) -> list[dict[str, Any]]:
    """Those of the clips, once there are so many."""
    async with asyncio.timeout(60):
        while True:
            found = sorted(folder.glob("*.json"))
            if len(found) >= count:
                return [json.loads(file.read_text()) for file in found]
            await asyncio.sleep(0.05)  # a folder has nothing to wait for


def timestamps(count: int, first: int) -> list[int]:
    """At a varying rate, in RTP ticks."""
    return list(
        accumulate([(3000, 4500, 6000)[each % 3] for each in range(count - 1)], initial=first)
    )


def check(file: Path, codec: str, sent: list[SentFrame], rtps: list[int]) -> int:
    """The file has the first of the sent frames, whole and in time, and all decode; how many."""
    with av.open(str(file)) as container:
        [video] = container.streams.video
        assert video.codec_context.name == {"av1": "libdav1d"}.get(codec, codec)
        packets = [packet for packet in container.demux(video) if packet.size]
        times_s = [_seconds(packet) for packet in packets]
        data = [content(codec, bytes(packet)) for packet in packets]
    with av.open(str(file)) as container:
        pictures = [_seconds(each) for each in container.decode(video=0)]
    assert data == [each.content for each in sent[: len(data)]]
    wanted_s = [((rtp - rtps[0]) % (1 << 32)) / 90_000 for rtp in rtps[: len(data)]]
    assert times_s == pytest.approx(wanted_s, abs=0.0006)
    assert pictures == times_s
    return len(data)


def _seconds(what: Any) -> float:
    assert what.pts is not None
    assert what.time_base is not None
    return float(what.pts * what.time_base)


@pytest.mark.parametrize("codec", ["vp8", "vp9", "h264", "av1"])
@pytest.mark.parametrize("ingest", [0, 1])
async def test_an_event_makes_a_clip_of_the_very_frames_sent(
    tmp_path: Path, codec: str, ingest: int
) -> None:
    folder = tmp_path / "clips"
    sent = stream(codec, 50)
    rtps = timestamps(50, 0xFFFFFFFF - 60_000)  # they wrap around
    sink = {"name": "told", "kind": "jsonl", "folder": tmp_path, "types": ["rule_on"]}
    async with (
        serving(**clipping(folder), ingest=ingest, fps=60, sinks=[sink]) as server,
        publishing_raw(base(server), codec, "../../gate") as me,
        aiohttp.ClientSession() as http,
    ):
        await me.send(sent, rtps, FPS)
        [told] = await descriptions(folder, 1)
        await counted(http, base(server), "written", 1)
    [event] = map(json.loads, (tmp_path / "told.jsonl").read_text().splitlines())
    assert (event["clip"], event["session"]) == (told["clip"], told["session"])
    file = folder / told["file"]
    frames = check(file, codec, sent, rtps)
    assert told["frames"] == frames >= 10
    assert told["first_rtp"] == rtps[0]
    assert (told["width"], told["height"], told["codec"]) == (*_size(file), codec)
    assert told["label"] == "../../gate"
    assert [event["rule"] for event in told["events"]] == ["always"]
    assert told["begin"] <= told["events"][0]["at"] <= told["end"] + 1.0
    assert "-gate-" in told["file"]
    assert {each.parent for each in tmp_path.rglob("*.mkv")} == {folder}
    assert [each.stat().st_mode & 0o777 for each in (folder, file)] == [0o700, 0o600]


@pytest.mark.parametrize("codec", ["vp8", "vp9", "h264", "av1"])
async def test_a_change_of_size_and_of_clock_begins_another_file(
    tmp_path: Path, codec: str
) -> None:
    small, large = stream(codec, 15), stream(codec, 30, size=(320, 240))
    first, second = timestamps(15, 1000), timestamps(30, 3_000_000_000)
    settings = clipping(tmp_path, after_s=1.0)
    settings["rules"][0]["for_s"] = 0.4
    async with (
        serving(**settings, fps=60) as server,
        publishing_raw(base(server), codec, "gate") as me,
    ):
        await me.send([*small, *large], [*first, *second], FPS)
        told = await descriptions(tmp_path, 2)
    one, other = sorted(told, key=lambda each: int(each["part"]))
    assert (one["part"], other["part"], one["clip"]) == (1, 2, other["clip"])
    assert check(tmp_path / one["file"], codec, small, first) == 15
    frames = check(tmp_path / other["file"], codec, large, second)
    assert (other["frames"], other["first_rtp"]) == (frames, second[0])
    assert _size(tmp_path / one["file"]) == (one["width"], one["height"])
    assert _size(tmp_path / other["file"]) == (other["width"], other["height"])


@pytest.mark.parametrize("ingest", [0, 1])
async def test_the_end_of_the_server_is_the_end_of_a_clip(tmp_path: Path, ingest: int) -> None:
    sent, rtps = stream("vp8", 50), timestamps(50, 1000)
    sink = {"name": "told", "kind": "jsonl", "folder": tmp_path, "types": ["rule_on"]}
    settings = clipping(tmp_path / "clips", after_s=60)
    async with (
        serving(**settings, ingest=ingest, fps=60, sinks=[sink]) as server,
        publishing_raw(base(server), "vp8", "gate") as me,
    ):
        await me.send(sent, rtps, FPS)
    [event] = map(json.loads, (tmp_path / "told.jsonl").read_text().splitlines())
    file = tmp_path / "clips" / f"{event['clip']}.mkv"
    assert check(file, "vp8", sent, rtps) >= 10


async def test_a_folder_that_goes_costs_no_frame_and_is_told(tmp_path: Path) -> None:
    """The rule comes on again and again, as the picture is bright and dark by turns."""
    folder = tmp_path / "clips"
    settings = clipping(folder, after_s=0.2, events=["zone_entered"])
    settings["tracking"] = {"lost_s": 0.2, "min_hits": 1}
    settings["zones"][0]["settle_s"] = 0
    async with (
        serving(**settings) as server,
        publishing(base(server), lamp(0.6, 0.8), fps=15) as me,
        aiohttp.ClientSession() as http,
    ):
        await descriptions(folder, 1)
        shutil.rmtree(folder)
        folder.write_text("in its place")  # root may write where others may not
        await counted(http, base(server), "failed", 1)
        answers = len(me.of_type("detections"))
        await me.wait_for_answers(5)
        folder.unlink()
        written = await counted(http, base(server), "written", 2)
        [*_, last] = await descriptions(folder, 1)
        assert len(me.of_type("detections")) > answers
        assert {each["reason"] for each in me.of_type("dropped")} <= BUSY
    assert written >= 2
    assert last["lost_before"] >= 0
    assert sum(json.loads(each.read_text())["lost_before"] for each in folder.glob("*.json")) >= 1


async def counted(http: aiohttp.ClientSession, url: str, end: str, least: float) -> float:
    """The server's count of clips with this end, once it is so high."""
    async with asyncio.timeout(60):
        while True:
            if (count := (await metric(http, url, "edge_clips"))[end]) >= least:
                return count
            await asyncio.sleep(0.1)  # it is counted once a second


def _size(file: Path) -> tuple[int, int]:
    with av.open(str(file)) as container:
        picture = next(container.decode(video=0))
        return picture.width, picture.height
