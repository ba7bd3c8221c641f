"""Clips as the settings describe them: the table `[clips]` (docs/operate/clips.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edge.tracking.events import EventKind
from edge.tracking.settings import LineSettings, RuleSettings, ZoneSettings

Names = Annotated[list[str], Field(max_length=1000)]


class ClipSettings(BaseModel):
    """Which events get a clip, how long it is, and what all clips may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path
    events: Annotated[list[EventKind], Field(min_length=1)] = [
        "zone_entered",
        "line_crossed",
        "rule_on",
    ]
    names: Names = []
    """Of zones, lines and rules whose events get clips; empty: all."""
    labels: Names = []
    classes: Names = []
    before_s: Annotated[float, Field(ge=0, le=60)] = 5.0
    after_s: Annotated[float, Field(ge=0, le=300)] = 5.0
    max_s: Annotated[float, Field(ge=1, le=600)] = 60.0
    """From the first event to the end, however many events follow."""
    keyframe_s: Annotated[float, Field(ge=2, le=300)] = 30.0
    """A key frame is asked for when the last one is older."""
    ring_bytes: Annotated[int, Field(ge=100_000, le=1_000_000_000)] = 16_000_000
    """Of one session's frames in memory."""
    queue_bytes: Annotated[int, Field(ge=100_000, le=4_000_000_000)] = 64_000_000
    """Of frames that wait for the disk, in one process."""
    at_once: Annotated[int, Field(ge=1, le=64)] = 4
    """Clips being written, in one process."""
    max_bytes: Annotated[int, Field(ge=1_000_000)] = 10_000_000_000
    """Of all clips in the folder; the oldest are deleted."""

    @model_validator(mode="after")
    def _fits(self) -> ClipSettings:
        if self.max_s < self.after_s:
            raise ValueError("max_s: not below after_s")
        return self


def check_names(
    clips: ClipSettings,
    zones: Sequence[ZoneSettings],
    lines: Sequence[LineSettings],
    rules: Sequence[RuleSettings],
) -> None:
    """ValueError where no event can come, or `names` has one that there is not."""
    things: list[ZoneSettings | LineSettings | RuleSettings] = [*zones, *lines, *rules]
    known = [each.name for each in things]
    if not known:
        raise ValueError("clips: events come from zones, lines and rules: set one")
    if unknown := sorted(set(clips.names) - set(known)):
        shown = ", ".join(known)
        raise ValueError(f"clips.names: {unknown[0]!r} is no zone, line or rule: {shown}")
