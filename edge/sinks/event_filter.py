"""Which results a sink wants, and how often. Pure: the time is given."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from edge.tracking.events import EVENT_KINDS

KINDS = ("detections", "dropped", "bye", *EVENT_KINDS)


@dataclass(frozen=True)
class ResultMessage:
    """A session's message, parsed at most once for all sinks."""

    session: str
    label: str
    text: str
    at_s: float
    """When it came, in Unix seconds."""

    @cached_property
    def kind(self) -> str:
        """Its type; empty for one that no sink gets."""
        return next((k for k in KINDS if self.text.startswith(f'{{"type":"{k}"')), "")

    @cached_property
    def parsed(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.text)
        return message

    @cached_property
    def model(self) -> str:
        """The network that answered."""
        return str(self.parsed.get("variant", "")).rpartition("-")[0]


class EventFilter:
    """Empty collections: all."""

    def __init__(
        self,
        *,
        labels: Collection[str] = (),
        classes: Collection[str] = (),
        models: Collection[str] = (),
        min_score: float = 0.0,
        types: Collection[str] = KINDS,
        empty: bool = True,
        max_per_s: float | None = None,
    ) -> None:
        """`empty`: whether frames without a wanted box are wanted; `max_per_s`: of one session."""
        self._labels, self._classes = frozenset(labels), frozenset(classes)
        self._models, self._types = frozenset(models), frozenset(types)
        self._min_score, self._empty = min_score, empty
        self._interval_s = 0.0 if max_per_s is None else 1.0 / max_per_s
        self._due_s: dict[str, float] = {}  # by session, the earliest time of its next event
        self.thinned = 0
        """Events that `max_per_s` has left out."""

    def wants_session(self, label: str) -> bool:
        """Whether events of sessions with this label may be wanted."""
        return not self._labels or label in self._labels

    def apply(self, message: ResultMessage, now_s: float) -> str | None:
        """The text to send, without unwanted boxes; None: nothing. `now_s` never goes back."""
        if message.kind == "bye":
            self._due_s.pop(message.session, None)
        if message.kind not in self._types or not self.wants_session(message.label):
            return None
        if message.kind == "bye":
            return message.text
        if message.kind in EVENT_KINDS:
            return message.text if self._wants_event(message) else None
        text: str | None = message.text
        if message.kind == "detections":
            text = self._with_wanted_boxes(message)
        return None if text is None or self._thin(message.session, now_s) else text

    def _wants_event(self, message: ResultMessage) -> bool:
        """Events of zones, lines and rules are rare: they have no score, and are never thinned."""
        name = message.parsed.get("class") if self._classes else None
        return name is None or name in self._classes

    def _with_wanted_boxes(self, message: ResultMessage) -> str | None:
        if self._models and message.model not in self._models:
            return None
        if not (self._classes or self._min_score) and self._empty:
            return message.text
        boxes = message.parsed.get("boxes", [])
        wanted = [
            box
            for box in boxes
            if (not self._classes or box[0] in self._classes) and box[1] >= self._min_score
        ]
        if not wanted and not self._empty:
            return None
        if len(wanted) == len(boxes):
            return message.text
        return json.dumps({**message.parsed, "boxes": wanted}, separators=(",", ":"))

    def _thin(self, session: str, now_s: float) -> bool:
        if not self._interval_s:
            return False
        due_s = self._due_s.get(session, now_s)
        if now_s < due_s:
            self.thinned += 1
            return True
        # Within one interval a late event keeps the rate; a long silence saves nothing up.
        self._due_s[session] = max(due_s, now_s - self._interval_s) + self._interval_s
        return False
