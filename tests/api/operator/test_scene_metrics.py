"""Prometheus metrics of zones, lines and rules."""

from __future__ import annotations

from edge.api.operator.scene_metrics import scene_families
from edge.config import load
from edge.tracking.counts import SceneCounts
from edge.tracking.events import TrackEvent
from edge.tracking.scene import SceneView
from edge.tracking.settings import LineSettings, RuleSettings, ZoneSettings
from tests.api.parts import view

SETTINGS = load(
    zones=[ZoneSettings(name="yard", polygon=[(0, 0), (1, 0), (1, 1)])],
    lines=[LineSettings(name="gate", start=(0, 0.5), end=(1, 0.5))],
    rules=[RuleSettings(name="crowd", zone="yard", more_than=1)],
)


def test_counts_of_all_cameras_by_names_of_the_settings() -> None:
    counts = SceneCounts()
    counts.add(
        [
            TrackEvent("zone_entered", {"zone": "yard"}),
            TrackEvent("zone_left", {"zone": "yard", "dwell_s": 2.5}),
            TrackEvent("line_crossed", {"line": "gate", "direction": "out"}),
            TrackEvent("rule_on", {"rule": "crowd"}),
        ]
    )
    scenes = [
        SceneView(3, {"yard": 2}, {"gate": (0, 1)}, ["crowd"]),
        SceneView(1, {}, {}, []),
        None,
    ]
    views = [view("camera", scene=scene) for scene in scenes]
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in scene_families(SETTINGS, counts, views)
        for sample in family.samples
    }
    assert samples == {
        ("edge_tracks",): 4,
        ("edge_tracks_dropped_total", "events"): 0,
        ("edge_tracks_dropped_total", "tracks"): 0,
        ("edge_zone_entered_total", "yard"): 1,
        ("edge_zone_occupancy", "yard"): 2,
        ("edge_zone_dwell_seconds_count", "yard"): 1,
        ("edge_zone_dwell_seconds_sum", "yard"): 2.5,
        ("edge_line_crossed_total", "gate", "in"): 0,
        ("edge_line_crossed_total", "gate", "out"): 1,
        ("edge_rule_on", "crowd"): 1,
        ("edge_rule_came_on_total", "crowd"): 1,
    }


def test_nothing_where_nothing_is_followed() -> None:
    assert list(scene_families(load(), SceneCounts(), [])) == []
