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


class Camera:
    """Sessions of one camera that take over one another; `events` are those of all."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.metrics = FrameMetrics()
        self.zone = ZoneSettings(name="all", polygon=WHOLE, settle_s=0)

    def session(
        self, name: str, former: SessionTracks | None = None, *, label: str = "door"
    ) -> SessionTracks:
        return SessionTracks(
            load(zones=[self.zone]),
            ["person"],
            label=lambda: label,
            metrics=self.metrics,
            send=lambda text: self.events.append((name, json.loads(text)["type"])),
            former=former,
        )


def see(tracks: SessionTracks, first: int, last: int) -> list[int | None]:
    """Answers of the frames of these numbers, 100 ms apart."""
    found: list[int | None] = []
    for index in range(first, last + 1):
        ids, events = tracks.ids(100.0 * index, 100.0 * index + 50.0, [box(0.5, 0.5)])
        tracks.tell(events)
        found += ids
    return found


def test_a_session_that_takes_over_another_goes_on_with_its_tracks() -> None:
    camera = Camera()
    old = camera.session("old")
    assert see(old, 0, 9) == [1] * 10
    new = camera.session("new", old)
    assert see(new, 12, 12) + see(old, 11, 11) + see(new, 13, 20) == [1] * 10
    old.end(2100.0)
    assert see(new, 21, 25) == [1] * 5
    assert camera.events == [("old", "zone_entered")]
    new.end(2600.0)
    assert camera.events[1:] == [("new", "zone_left")]


def test_one_that_never_comes_to_it_changes_nothing() -> None:
    camera = Camera()
    old = camera.session("old")
    see(old, 0, 9)
    camera.session("new", old).end(1000.0)
    assert see(old, 10, 12) == [1] * 3
    assert camera.events == [("old", "zone_entered")]


def test_another_label_or_an_end_before_begin_anew() -> None:
    camera = Camera()
    old = camera.session("old")
    see(old, 0, 9)
    assert camera.session("new", old, label="yard").scene is not old.scene
    old.end(1000.0)
    assert camera.session("new", old).scene is not old.scene


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
