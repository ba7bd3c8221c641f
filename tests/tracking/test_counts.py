"""Counts of events."""

from __future__ import annotations

from edge.tracking.counts import SceneCounts
from edge.tracking.events import TrackEvent


def test_events_are_counted_and_merged() -> None:
    one, other = SceneCounts(), SceneCounts()
    assert not one
    one.add(
        [
            TrackEvent("zone_entered", {"zone": "a"}),
            TrackEvent("zone_left", {"zone": "a", "dwell_s": 1.25}),
            TrackEvent("line_crossed", {"line": "b", "direction": "in"}),
            TrackEvent("rule_on", {"rule": "c"}),
            TrackEvent("rule_off", {"rule": "c"}),
        ]
    )
    other.add([TrackEvent("line_crossed", {"line": "b", "direction": "out"})])
    other.add([TrackEvent("zone_left", {"zone": "a", "dwell_s": 1.0})])
    other.merge(one)
    assert other
    assert other.entered == {"a": 1}
    assert other.left == {"a": 2}
    assert other.dwell_ms == {"a": 2250}
    assert (other.crossed_in, other.crossed_out) == ({"b": 1}, {"b": 1})
    assert other.rules_on == {"c": 1}
