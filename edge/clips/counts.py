"""What became of clips, to be counted and told. Pure, and mergeable over processes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

ClipEnd = Literal["written", "failed", "refused", "empty", "left"]
"""Its files are there; the disk failed; as many were being written as may be; no frame came with
which decoding can begin; the server ended before it was written."""
CLIP_ENDS: tuple[ClipEnd, ...] = ("written", "failed", "refused", "empty", "left")
FrameLoss = Literal["queue", "disk"]
"""Why a frame of a clip was not written: too many waited for the disk; the disk failed."""
FRAME_LOSSES: tuple[FrameLoss, ...] = ("queue", "disk")


@dataclass(slots=True)
class ClipCounts:
    """Of a period."""

    ends: Counter[str] = field(default_factory=Counter)
    frames_lost: Counter[str] = field(default_factory=Counter)
    deleted: int = 0
    """Files deleted to make room."""

    def merge(self, other: ClipCounts) -> None:
        self.ends.update(other.ends)
        self.frames_lost.update(other.frames_lost)
        self.deleted += other.deleted
