"""Visits of zones."""

from __future__ import annotations

from collections.abc import Iterable

from edge.tracking.events import TrackEvent
from edge.tracking.settings import ZoneSettings
from edge.tracking.tracker import Track
from edge.tracking.zones import Zone

HALF = [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)]


def zone(**more: object) -> Zone:
    return Zone(ZoneSettings.model_validate({"name": "half", "polygon": HALF, **more}))


def seen(
    zone: Zone, at_s: float, *places: tuple[int, float], name: str = "person"
) -> list[tuple[str, int, int]]:
    """(kind, track, occupancy) of the events when these tracks are at these x."""
    tracks = [Track(number, 0, x, 0.5, 0.1, 0.1) for number, x in places]
    points = [(track.x, track.y) for track in tracks]
    return brief(zone.observe(at_s, tracks, [name] * len(tracks), points))


def brief(events: Iterable[TrackEvent]) -> list[tuple[str, int, int]]:
    return [(kind, fields["track"], fields["occupancy"]) for kind, fields in events]


def test_entered_and_left_once_settled() -> None:
    half = zone(settle_s=0.3)
    assert seen(half, 0.0, (1, 0.4)) == []
    assert seen(half, 1.0, (1, 0.6)) == []
    assert seen(half, 1.2, (1, 0.6)) == []
    assert seen(half, 1.4, (1, 0.6)) == [("zone_entered", 1, 1)]
    assert seen(half, 5.0, (1, 0.4)) == []
    assert half.occupancy.total() == 1
    [left] = half.observe(5.5, [Track(1, 0, 0.4, 0.5, 0.1, 0.1)], ["person"], [(0.4, 0.5)])
    assert left.kind == "zone_left"
    assert left.fields == {
        "zone": "half",
        "track": 1,
        "class": "person",
        "dwell_s": 4.0,
        "why": "left",
        "occupancy": 0,
    }


def test_what_trembles_at_the_side_enters_and_leaves_nothing() -> None:
    half = zone(settle_s=0.3)
    for index in range(40):
        assert seen(half, index / 10, (1, 0.49 if index % 2 else 0.51)) == []
    seen(half, 5.0, (1, 0.6))
    assert seen(half, 5.5, (1, 0.6)) == [("zone_entered", 1, 1)]
    for index in range(40):
        assert seen(half, 6 + index / 10, (1, 0.49 if index % 2 else 0.51)) == []


def test_without_settling_every_step_counts() -> None:
    half = zone(settle_s=0)
    assert seen(half, 0.0, (1, 0.6)) == [("zone_entered", 1, 1)]
    assert seen(half, 0.1, (1, 0.4)) == [("zone_left", 1, 0)]


def test_a_track_that_is_not_seen_stays_until_it_is_lost() -> None:
    half = zone(settle_s=0)
    seen(half, 0.0, (1, 0.6), (2, 0.7))
    seen(half, 2.0, (2, 0.7))
    assert half.occupancy == {"person": 2}
    [left] = half.forget([1, 9])
    assert (left.fields["why"], left.fields["dwell_s"], left.fields["occupancy"]) == (
        "lost",
        0.0,
        1,
    )


def test_only_wanted_classes_count() -> None:
    half = zone(settle_s=0, classes=["car"])
    assert seen(half, 0.0, (1, 0.6)) == []
    assert seen(half, 0.1, (2, 0.6), name="car") == [("zone_entered", 2, 1)]
    assert half.occupancy == {"car": 1}


def test_a_visit_keeps_its_class() -> None:
    half = zone(settle_s=0)
    seen(half, 0.0, (1, 0.6), name="car")
    assert seen(half, 0.1, (1, 0.6), name="truck") == []
    assert half.occupancy == {"car": 1}


def test_all_visits_end_with_the_camera() -> None:
    half = zone(settle_s=0)
    seen(half, 0.0, (1, 0.6), (2, 0.7))
    assert [event.fields["why"] for event in half.end()] == ["ended", "ended"]
    assert not half.occupancy
