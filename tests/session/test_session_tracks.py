"""A session's tracks as messages and counts."""

from __future__ import annotations

import json
from typing import Any

from edge.config import load
from edge.observability.frame_metrics import FrameMetrics
from edge.session.session_tracks import SessionTracks
from edge.tracking.settings import ZoneSettings
from tests.tracking.moving import box

WHOLE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]


def test_visits_are_sent_and_counted_until_the_end() -> None:
    sent: list[dict[str, Any]] = []
    metrics = FrameMetrics()
    zone = ZoneSettings(name="all", label="door", polygon=WHOLE, settle_s=0)
    tracks = SessionTracks(
        load(zones=[zone]),
        ["person"],
        label=lambda: "door",
        metrics=metrics,
        send=lambda text: sent.append(json.loads(text)),
    )
    for index in range(5):
        ids, events = tracks.ids(1000.0 + 100.0 * index, 1050.0 + 100.0 * index, [box(0.5, 0.5)])
        assert ids == [1]
        tracks.tell(events, rtp=index)
    assert sent == [
        {
            "type": "zone_entered",
            "zone": "all",
            "track": 1,
            "class": "person",
            "occupancy": 1,
            "rtp": 2,
        }
    ]
    tracks.tick(1500.0)
    counts = metrics.drain()
    assert counts.scenes.entered == {"all": 1}
    tracks.end(1600.0)
    assert [(each["type"], each.get("why")) for each in sent[1:]] == [("zone_left", "ended")]
    later = metrics.drain()
    assert (later.scenes.entered, later.scenes.left) == ({}, {"all": 1})
    later.merge(counts)
    assert later.scenes.entered == {"all": 1}
