"""Clips through the detector and the tracks: what is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from analysis.bench.tracks.hand_count import Clip
from edge.assets.samples import pictures
from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.models.runtime.detector import Detector
from edge.profile.variant import Variant
from edge.tracking.scene import Scene, SceneSettings
from edge.tracking.settings import TrackingSettings

LATENCY_S = 0.05  # of an answer; nothing here depends on it

Frames = Sequence[tuple[float, list[Box]]]
"""Time in seconds, and boxes."""


@dataclass
class Counted:
    """What tracks made of a clip."""

    crossings: dict[str, list[float]] = field(default_factory=lambda: {"in": [], "out": []})
    """Seconds, by direction."""
    frames: list[tuple[float, list[Box], list[int | None]]] = field(default_factory=list)
    """Time, boxes and their tracks."""


def detections(
    video: Path, seconds: float, detector: Detector, variant: Variant, fps: int | None = None
) -> Frames:
    """The boxes of a clip's frames; with `fps`, of the frames at that rate."""
    frames = []
    rate = None if fps is None else Fraction(fps)
    for number, image in enumerate(pictures(video, rate)):
        at_s = float(image.time or 0.0) if fps is None else number / fps
        if at_s >= seconds:
            break
        [boxes] = detector.detect([Picture.from_av(image)], variant)
        frames.append((at_s, boxes))
    return frames


def count(clip: Clip, frames: Frames, class_names: Sequence[str]) -> Counted:
    """Crossings of the clip's line."""
    scene = Scene(SceneSettings(TrackingSettings(on=True), lines=[clip.line]), class_names, "")
    counted = Counted()
    for at_s, boxes in frames:
        ids, events = scene.observe(at_s, at_s + LATENCY_S, boxes, "")
        counted.frames.append((at_s, boxes, ids))
        for event in events:
            counted.crossings[event.fields["direction"]].append(at_s)
    return counted
