"""One camera's tracks in its zones, at its lines, under its rules."""

from __future__ import annotations

import random

from edge.tracking.events import TrackEvent
from edge.tracking.scene import EVENT_BURST, EVENTS_PER_S, Scene, SceneSettings
from edge.tracking.settings import (
    LineSettings,
    RuleSettings,
    TrackingSettings,
    ZoneSettings,
)
from tests.tracking.moving import Box, box, pictures

HALF = [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)]
LATENCY_S = 0.1


def settings(**of_zone: object) -> SceneSettings:
    zone = ZoneSettings.model_validate(
        {"name": "half", "polygon": HALF, "label": "door", **of_zone}
    )
    line = LineSettings(name="gate", label="door", start=(0.5, 1.0), end=(0.5, 0.0))
    rule = RuleSettings(name="anybody", zone="half", more_than=0, for_s=1.0)
    return SceneSettings(TrackingSettings(), [zone], [line], [rule])


def scene(camera: str = "door", **of_zone: object) -> Scene:
    return Scene(settings(**of_zone), ["person", "car"], camera)


def right(at_s: float) -> Box:
    return box(0.2 + 0.1 * at_s, 0.5)


def run(
    scene: Scene, sequence: list[tuple[float, list[Box]]], label: str = "door"
) -> list[TrackEvent]:
    events = []
    for at_s, boxes in sequence:
        events += scene.observe(at_s, at_s + LATENCY_S, boxes, label)[1]
    return events


def test_somebody_walks_in() -> None:
    door = scene()
    events = run(door, pictures([right], 6.0))
    assert [event.kind for event in events] == ["line_crossed", "zone_entered", "rule_on"]
    assert events[0].fields["direction"] == "in"
    view = door.view()
    assert (view.tracks, view.zones, view.lines) == (1, {"half": 1}, {"gate": (1, 0)})
    assert view.rules_on == ["anybody"]


def test_other_cameras_have_other_zones() -> None:
    assert run(scene("yard"), pictures([right], 6.0), "yard") == []


def test_a_zone_without_a_label_is_in_every_picture() -> None:
    yard = scene("yard", label=None)
    kinds = [event.kind for event in run(yard, pictures([right], 6.0), "yard")]
    assert kinds == ["zone_entered", "rule_on"]


def test_a_new_label_ends_what_was_there() -> None:
    door = scene()
    run(door, pictures([right], 6.0))
    _, events = door.observe(6.0, 6.1, [right(6.0)], "yard")
    assert [(event.kind, event.fields["why"]) for event in events] == [
        ("zone_left", "ended"),
        ("rule_off", "ended"),
    ]
    assert door.view().zones == {}


def test_without_answers_time_passes_too() -> None:
    """Lost after `lost_s` of the camera's time, however late its answers are."""
    door = scene()
    run(door, pictures([right], 5.0))
    assert door.tick(4.9 + LATENCY_S + 1.4) == []
    [left] = door.tick(4.9 + LATENCY_S + 1.7)
    assert (left.kind, left.fields["why"]) == ("zone_left", "lost")
    assert [event.kind for event in door.tick(4.9 + LATENCY_S + 2.8)] == ["rule_off"]


def test_late_answers_lose_no_track() -> None:
    door = scene()
    late_s = 4.0  # more than `lost_s`
    ids = []
    for at_s, boxes in pictures([right], 3.0):
        found, _ = door.observe(at_s, at_s + late_s, boxes, "door")
        door.tick(at_s + late_s + 0.09)
        ids += found
    assert ids == [1] * 30


def test_the_end() -> None:
    door = scene()
    run(door, pictures([right], 6.0))
    assert [event.kind for event in door.end(6.1)] == ["zone_left", "rule_off"]
    assert door.end(6.2) == []
    counts = door.take_counts()
    assert (counts.entered, counts.left, counts.crossed_in) == (
        {"half": 1},
        {"half": 1},
        {"gate": 1},
    )
    assert not door.take_counts()


def test_events_are_bounded_and_counted_all_the_same() -> None:
    """A picture of noise, made to set off as much as it can."""
    rng = random.Random(4)
    whole = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    zones = [
        ZoneSettings.model_validate({"name": f"zone-{n}", "polygon": whole, "settle_s": 0})
        for n in range(64)
    ]
    noisy = Scene(SceneSettings(TrackingSettings(min_hits=1), zones), ["person"], "")
    sent = 0
    for index in range(20):
        boxes = [box(rng.random(), rng.random(), width=0.02) for _ in range(100)]
        sent += len(noisy.observe(index / 10, index / 10, boxes, "")[1])
    assert sent <= EVENT_BURST + 2.0 * EVENTS_PER_S
    counts = noisy.take_counts()
    happened = counts.entered.total() + counts.left.total()
    assert happened > 64 * 100
    assert counts.dropped["events"] == happened - sent
