"""What tracks do, as messages tell it."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

EventKind = Literal["zone_entered", "zone_left", "line_crossed", "rule_on", "rule_off"]
EVENT_KINDS: tuple[EventKind, ...] = (
    "zone_entered",
    "zone_left",
    "line_crossed",
    "rule_on",
    "rule_off",
)
Why = Literal["left", "lost", "ended"]
"""How a visit ended: the thing went out of the zone; its track was lost; the camera went."""


class TrackEvent(NamedTuple):
    """One event; `fields` are those of its message."""

    kind: EventKind
    fields: dict[str, Any]
