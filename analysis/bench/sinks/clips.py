"""Clips on a disk of their own, which is filled up and emptied: what the server counts and what is
there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import av

from analysis.bench.report import MeasurementError, Promise
from analysis.bench.sinks.receivers import DiskReceiver

_DISK_BYTES = 256_000_000
_WHOLE = [[0, 0], [1, 0], [1, 1], [0, 1]]


class ClipDisk(DiskReceiver):
    """The settings that make many clips, and where they go."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, _DISK_BYTES)
        self.clips = folder / "clips"
        self.found: list[dict[str, Any]] = []
        """The clips' descriptions, once it is closed."""
        self.frames = 0
        """Of these, decoded."""

    @property
    def environment(self) -> dict[str, str]:
        """The server's settings. Things enter the whole picture whenever they are found anew."""
        clips = {
            "folder": str(self.clips),
            "before_s": 1,
            "after_s": 1,
            "max_s": 3,
            "keyframe_s": 5,
            "at_once": 64,
        }
        return {
            "EDGE_TRACKING": json.dumps({"on": True, "lost_s": 0.1, "min_hits": 1}),
            "EDGE_ZONES": json.dumps([{"name": "all", "polygon": _WHOLE, "settle_s": 0}]),
            "EDGE_CLIPS": json.dumps(clips),
        }

    def _read(self) -> None:
        for file in sorted(self.clips.glob("*.json")):
            self.found.append(json.loads(file.read_text()))
            with av.open(str(self.clips / self.found[-1]["file"])) as container:
                self.frames += sum(1 for _ in container.decode(video=0))


@dataclass(frozen=True, slots=True)
class ClipOutcome:
    """The server's counts of clips by end, and of lost frames, and what is on the disk: clips,
    frames that their descriptions have, frames that decode, clips told to be lost."""

    ends: dict[str, int]
    frames_lost: dict[str, int]
    clips: int
    described: int
    decoded: int
    told: int

    @classmethod
    def of(cls, ends: dict[str, int], frames_lost: dict[str, int], disk: ClipDisk) -> ClipOutcome:
        return cls(
            ends,
            frames_lost,
            clips=len({each["clip"] for each in disk.found}),
            described=sum(each["frames"] for each in disk.found),
            decoded=disk.frames,
            told=sum(each["lost_before"] for each in disk.found),
        )

    @property
    def lost(self) -> int:
        return sum(self.ends.values()) - self.ends.get("written", 0)

    def promises(self) -> list[Promise]:
        written = self.ends.get("written", 0)
        return [
            Promise(
                "clips: some were lost on the full disk, some written",
                self.ends.get("failed", 0) > 0 and written > 0,
                ", ".join(f"{end} {count:,}" for end, count in self.ends.items() if count),
            ),
            Promise(
                "clips: every one that was written is there, and only these",
                # A clip of several files whose last one failed leaves the first ones.
                0 <= self.clips - written <= self.ends.get("failed", 0),
                f"{written:,} written, {self.clips:,} there",
            ),
            Promise(
                "clips: every frame that a description has decodes",
                self.described == self.decoded,
                f"{self.decoded:,} of {self.described:,}",
            ),
            Promise(
                "clips: a description tells of every clip that was lost",
                self.told == self.lost,
                f"{self.lost:,} lost, {self.told:,} told",
            ),
        ]


async def counted(http: aiohttp.ClientSession, url: str) -> tuple[dict[str, int], dict[str, int]]:
    """The server's counts: clips by end, lost frames by reason."""
    async with http.get(f"{url}metrics") as response:
        text = await response.text()
    found: dict[str, dict[str, int]] = {"edge_clips_total": {}, "edge_clip_frames_lost_total": {}}
    for line in text.splitlines():
        name, _, rest = line.partition("{")
        if name in found:
            label, _, value = rest.partition("} ")
            found[name][label.split('"')[1]] = int(float(value))
    ends, lost = found.values()
    if not ends:
        raise MeasurementError("the server counts no clips")
    return ends, lost
