"""Prometheus families of what happens in zones, at lines and under rules.

Labels are names of the settings, so that no family grows with what cameras see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric

from edge.config import Settings
from edge.session.view import SessionView
from edge.tracking.counts import SceneCounts


def scene_families(
    settings: Settings, counts: SceneCounts, views: Sequence[SessionView]
) -> Iterator[Metric]:
    """Of all cameras together; nothing where nothing is followed."""
    if not settings.tracks:
        return
    scenes = [view.scene for view in views if view.scene is not None]
    yield GaugeMetricFamily(
        "edge_tracks", "Things followed now", sum(scene.tracks for scene in scenes)
    )
    dropped = CounterMetricFamily(
        "edge_tracks_dropped", "Tracks and events beyond a camera's bounds", labels=["what"]
    )
    for what in ("events", "tracks"):
        dropped.add_metric([what], counts.dropped[what])
    yield dropped
    entered = CounterMetricFamily("edge_zone_entered", "Things that entered", labels=["zone"])
    inside = GaugeMetricFamily("edge_zone_occupancy", "Things in it now", labels=["zone"])
    dwell = SummaryMetricFamily(
        "edge_zone_dwell_seconds", "How long things were in it that have left", labels=["zone"]
    )
    for name in (zone.name for zone in settings.zones):
        entered.add_metric([name], counts.entered[name])
        inside.add_metric([name], sum(scene.zones.get(name, 0) for scene in scenes))
        dwell.add_metric([name], counts.left[name], counts.dwell_ms[name] / 1000.0)
    yield from (entered, inside, dwell)
    crossed = CounterMetricFamily(
        "edge_line_crossed", "Crossings, by direction", labels=["line", "direction"]
    )
    for name in (line.name for line in settings.lines):
        crossed.add_metric([name, "in"], counts.crossed_in[name])
        crossed.add_metric([name, "out"], counts.crossed_out[name])
    yield crossed
    on = GaugeMetricFamily("edge_rule_on", "Cameras for which it is on now", labels=["rule"])
    came_on = CounterMetricFamily("edge_rule_came_on", "How often it came on", labels=["rule"])
    for name in (rule.name for rule in settings.rules):
        on.add_metric([name], sum(name in scene.rules_on for scene in scenes))
        came_on.add_metric([name], counts.rules_on[name])
    yield from (on, came_on)
