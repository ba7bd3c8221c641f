"""The time that a frame's tracks take: processor time of the event loop on which they run."""

from __future__ import annotations

import random
import time
from statistics import median

import numpy as np

from edge.tracking.scene import Scene, SceneSettings
from edge.tracking.settings import LineSettings, RuleSettings, TrackingSettings, ZoneSettings
from edge.tracking.tracker import Box

FPS = 15
BOXES = 20
FEW = 3  # as the simulated device of the other benchmarks finds
PLACES = 4  # zones, lines and rules, each
_SQUARE = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)]


def walkers(frames: int, boxes: int = BOXES, seed: int = 1) -> list[list[Box]]:
    """Frames of things that walk about, with weak boxes and without some."""
    rng = random.Random(seed)
    things = [[rng.random() for _ in range(4)] for _ in range(boxes)]
    return [
        [
            _box(x + (dx - 0.5) * 0.1 * index / FPS, y + (dy - 0.5) * 0.1 * index / FPS, rng)
            for x, y, dx, dy in things
        ]
        for index in range(frames)
    ]


def noise(frames: int, boxes: int = 100, seed: int = 1) -> list[list[Box]]:
    """Frames of as many boxes as a model gives, close together and never the same."""
    rng = random.Random(seed)
    return [
        [_box(0.5 * rng.random(), 0.5 * rng.random(), rng) for _ in range(boxes)]
        for _ in range(frames)
    ]


def scene_settings(places: int) -> SceneSettings:
    """So many zones, lines and rules."""
    names = [str(number) for number in range(places)]
    return SceneSettings(
        TrackingSettings(on=True),
        [ZoneSettings(name=name, polygon=_SQUARE) for name in names],
        [LineSettings(name=name, start=(0.5, 1.0), end=(0.5, 0.0)) for name in names],
        [RuleSettings(name=name, zone=name, more_than=5) for name in names],
    )


def measure(frames: list[list[Box]], places: int = 0) -> dict[str, float]:
    """Processor time of a frame in ms: median, mean and 99th percentile."""
    scene = Scene(scene_settings(places), ["thing"], "")
    taken_ms = []
    for index, boxes in enumerate(frames):
        at_s = index / FPS
        begin_ns = time.thread_time_ns()
        scene.observe(at_s, at_s, boxes, "")
        taken_ms.append((time.thread_time_ns() - begin_ns) / 1e6)
    warm = taken_ms[len(taken_ms) // 10 :]
    return {
        "p50_ms": median(warm),
        "mean_ms": float(np.mean(warm)),
        "p99_ms": float(np.quantile(warm, 0.99)),
    }


def _box(x: float, y: float, rng: random.Random) -> Box:
    x, y = x % 1.0, y % 1.0
    return (0, rng.uniform(0.3, 0.95), x - 0.03, y - 0.1, x + 0.03, y + 0.1)
