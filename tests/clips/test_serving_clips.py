"""A server that keeps clips: from a real session's packets to files that decode, frame by frame."""

from __future__ import annotations

import asyncio
import json
from itertools import accumulate
from pathlib import Path
from typing import Any

import aiohttp
import av
import pytest

from tests.api.events import metric
from tests.clips.raw_publisher import SentFrame, content, publishing_raw, stream
from tests.serving import base, serving

WHOLE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
FPS = 20


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
        async with asyncio.timeout(60):
            while True:
                if (await metric(http, base(server), "edge_clips"))["written"]:
                    break
                await asyncio.sleep(0.1)  # it is counted once a second
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


def _size(file: Path) -> tuple[int, int]:
    with av.open(str(file)) as container:
        picture = next(container.decode(video=0))
        return picture.width, picture.height
