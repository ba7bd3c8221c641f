"""How many boxes of each wanted class the sessions of each label show now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

MAX_LABELS = 256
"""Labels are the publishers' choice: beyond so many, the one without a session for the longest
time is forgotten; where all have sessions, the new one is left out."""


class LabelCounts:
    """Of several sessions with one label the sum."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self._sessions: dict[str, dict[str, Mapping[str, int]]] = {}  # by label and session
        self._labels: dict[str, str] = {}  # by session, the label that it has now
        self._changed: dict[str, None] = {}  # labels, in order
        self.left_out = 0
        """Updates of labels beyond `MAX_LABELS`."""

    @property
    def labels(self) -> Iterable[str]:
        """All labels that have been seen."""
        return self._sessions.keys()

    def is_live(self, label: str) -> bool:
        """Whether a session of this label is there."""
        return bool(self._sessions.get(label))

    def counts(self, label: str) -> dict[str, int]:
        """By class; every wanted one is there."""
        sessions = self._sessions.get(label, {}).values()
        return {name: sum(each.get(name, 0) for each in sessions) for name in self._classes}

    def update(self, label: str, session: str, names: Iterable[str]) -> None:
        """The classes of a frame's boxes, each box's; sessions without a label are left out."""
        if self._labels.get(session, label) != label:
            self.end(session)
        if not label:
            return
        if label not in self._sessions and not self._has_room():
            self.left_out += 1
            return
        self._labels[session] = label
        found = [*names]
        counts = {name: found.count(name) for name in self._classes}
        sessions = self._sessions.setdefault(label, {})
        if sessions.get(session) != counts:
            sessions[session] = counts
            self._changed[label] = None

    def end(self, session: str) -> None:
        """A session has ended, or has another label."""
        label = self._labels.pop(session, "")
        if (sessions := self._sessions.pop(label, None)) is not None:
            sessions.pop(session, None)
            self._sessions[label] = sessions  # the newest again of those without a session
            self._changed[label] = None

    def _has_room(self) -> bool:
        if len(self._sessions) < MAX_LABELS:
            return True
        unused = next((label for label, sessions in self._sessions.items() if not sessions), None)
        if unused is None:
            return False
        del self._sessions[unused]
        self._changed.pop(unused, None)
        return True

    def take_changed(self) -> list[str]:
        """The labels whose counts or presence have changed since the last call."""
        changed = [*self._changed]
        self._changed.clear()
        return changed

    def change_all(self) -> None:
        """Nobody knows any of them any more."""
        self._changed = dict.fromkeys(self._sessions)
