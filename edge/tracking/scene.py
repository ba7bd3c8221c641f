"""All that is followed of one camera: its tracks, and its zones, lines and rules.

State is bounded whatever a publisher sends: `tracker.MAX_TRACKS` tracks, for each of them one entry
in each zone and line of the settings (at most 64 of either), and the events of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge.tracking.counts import SceneCounts
from edge.tracking.events import TrackEvent
from edge.tracking.geometry import Point
from edge.tracking.lines import Line
from edge.tracking.rules import Rule
from edge.tracking.settings import (
    LineSettings,
    RuleSettings,
    TrackingSettings,
    ZoneSettings,
)
from edge.tracking.tracker import Box, Track, Tracker
from edge.tracking.zones import Zone

EVENTS_PER_S, EVENT_BURST = 50.0, 100.0
"""Events of one camera; those beyond are counted in zones and at lines, but not sent."""


@dataclass(frozen=True)
class SceneSettings:
    """Those of all cameras."""

    tracking: TrackingSettings
    zones: Sequence[ZoneSettings] = ()
    lines: Sequence[LineSettings] = ()
    rules: Sequence[RuleSettings] = ()


@dataclass(frozen=True, slots=True)
class SceneView:
    """One camera's scene as its operator sees it. Plain data."""

    tracks: int
    """Those that count, among them those that are looked for."""
    zones: dict[str, int]
    """Tracks in each zone."""
    lines: dict[str, tuple[int, int]]
    """Crossings in and out since the start."""
    rules_on: list[str]


class Scene:
    """One camera's."""

    def __init__(self, settings: SceneSettings, class_names: Sequence[str], label: str) -> None:
        """`class_names` are those that boxes' indices mean; `label` is the camera's."""
        self._settings = settings
        self._class_names = class_names
        self._tracker = Tracker(settings.tracking)
        self._zones: list[Zone] = []
        self._lines: list[Line] = []
        self._rules: list[tuple[Rule, Zone]] = []
        self._label = label
        self._answered_s: float | None = None  # when the latest picture was
        self._events_left, self._events_s = EVENT_BURST, 0.0
        self._counts = SceneCounts()
        self._dropped = 0  # tracks
        self._choose()

    def view(self) -> SceneView:
        """How it is now."""
        return SceneView(
            len(self._tracker),
            {zone.settings.name: zone.occupancy.total() for zone in self._zones},
            {line.settings.name: (line.into, line.out) for line in self._lines},
            [rule.settings.name for rule, _ in self._rules if rule.on],
        )

    def observe(
        self, at_s: float, now_s: float, boxes: Sequence[Box], label: str
    ) -> tuple[list[int | None], list[TrackEvent]]:
        """The tracks of a picture's boxes, and what they did.

        `at_s` is when it was captured, on a clock of its own: that is the time of all that follows.
        """
        events = self._relabel(label)
        picture = self._tracker.update(at_s, boxes)
        if self._tracker.at_s == at_s:
            self._answered_s = now_s
        if surplus := self._tracker.dropped - self._dropped:
            self._counts.dropped["tracks"] += surplus
            self._dropped += surplus
        if self._zones or self._lines:
            events += self._forget(picture.gone)
            if picture.tracks:
                events += self._see(at_s, picture.tracks)
            events += self._judge(self._tracker.at_s)
        return picture.ids, self._bounded(events, now_s)

    def tick(self, now_s: float) -> list[TrackEvent]:
        """What the time alone brings about, a few times a second: answers may have ceased."""
        if self._answered_s is None or not (self._zones or self._lines):
            return []
        at_s = self._at_s(now_s)
        events = [*self._forget(self._tracker.expire(at_s)), *self._judge(at_s)]
        return self._bounded(events, now_s)

    def end(self, now_s: float) -> list[TrackEvent]:
        """The camera has gone."""
        return self._bounded(self._leave(), now_s)

    def take_counts(self) -> SceneCounts:
        """The counts since the last call."""
        counts = self._counts
        if counts:  # mostly nothing has happened
            self._counts = SceneCounts()
        return counts

    def _at_s(self, now_s: float) -> float:
        """The time in the scene: as much after the latest picture as that was answered ago."""
        return self._tracker.at_s + max(0.0, now_s - (self._answered_s or now_s))

    def _choose(self) -> None:
        """The zones, lines and rules of its label."""
        its, label = self._settings, self._label
        self._zones = [Zone(zone) for zone in its.zones if zone.is_for(label)]
        self._lines = [Line(line) for line in its.lines if line.is_for(label)]
        by_name = {zone.settings.name: zone for zone in self._zones}
        self._rules = [
            (Rule(rule), by_name[rule.zone]) for rule in its.rules if rule.zone in by_name
        ]

    def _relabel(self, label: str) -> list[TrackEvent]:
        """It has become another camera's picture, as far as zones go."""
        if label == self._label:
            return []
        events = self._leave()
        self._label = label
        self._choose()
        return events

    def _leave(self) -> list[TrackEvent]:
        events = [event for zone in self._zones for event in zone.end()]
        events += [event for rule, _ in self._rules for event in rule.end(self._tracker.at_s)]
        return events

    def _forget(self, gone: Sequence[int]) -> Iterable[TrackEvent]:
        if not gone:
            return
        for line in self._lines:
            line.forget(gone)
        for zone in self._zones:
            yield from zone.forget(gone)

    def _see(self, at_s: float, tracks: Sequence[Track]) -> Iterable[TrackEvent]:
        names = [self._class_names[track.class_index] for track in tracks]
        points = {"bottom": _points(tracks, 0.5), "center": _points(tracks, 0.0)}
        for line in self._lines:
            yield from line.observe(tracks, names, points[line.settings.anchor])
        for zone in self._zones:
            yield from zone.observe(at_s, tracks, names, points[zone.settings.anchor])

    def _judge(self, now_s: float) -> Iterable[TrackEvent]:
        for rule, zone in self._rules:
            yield from rule.observe(now_s, zone.occupancy)

    def _bounded(self, events: list[TrackEvent], now_s: float) -> list[TrackEvent]:
        """Drop rule: the latest, once those of a second are used up."""
        if not events:
            return events
        self._counts.add(events)
        left = self._events_left + EVENTS_PER_S * (now_s - self._events_s)
        sent = events[: int(min(EVENT_BURST, left))]
        self._events_left, self._events_s = min(EVENT_BURST, left) - len(sent), now_s
        if surplus := len(events) - len(sent):
            self._counts.dropped["events"] += surplus
        return sent


def _points(tracks: Sequence[Track], down: float) -> list[Point]:
    """Where each track is: its centre, or that share of its height below."""
    return [(track.x, track.y + down * track.height) for track in tracks]
