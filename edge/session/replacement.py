"""Sessions that take over others: make before break, in the place of an ICE restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from edge.scheduling.assignment import NO_PINS
from edge.session.interface import SessionInterface, SessionOptions


def inherit(
    options: SessionOptions, old_options: SessionOptions, old: SessionInterface, now_ms: float
) -> SessionOptions:
    """The options of a session that replaces `old`: what its publisher did not choose anew."""
    view, snapshot = old.view(now_ms), old.snapshot(now_ms)
    return replace(
        options,
        slo_ms=view.slo_ms if options.slo_ms is None else options.slo_ms,
        label=options.label or view.label,
        classes=old_options.classes if options.classes is None else options.classes,
        model=old_options.model if options.model is None else options.model,
        min_score=options.min_score or old_options.min_score,
        pins=view.pins if options.model in (None, old_options.model) else NO_PINS,
        start_bps=snapshot.link_bps,
    )


class Replacements:
    """Which session is to take over which, until its first answer; ids throughout."""

    def __init__(self) -> None:
        self._replaced: dict[str, str] = {}  # by the new session

    def begin(self, new: str, old: str) -> str | None:
        """`new` is to take over `old`; the session that was to do so before, and is not needed."""
        former = next((each for each, other in self._replaced.items() if other == old), None)
        if former is not None:
            del self._replaced[former]
        self._replaced[new] = old
        return former

    def of(self, new: str) -> str | None:
        """The session that `new` is to take over."""
        return self._replaced.get(new)

    def is_leaving(self, session: str) -> bool:
        """Whether another is to take over this session, so that it takes no place of its own."""
        return session in self._replaced.values()

    def forget(self, session: str) -> None:
        """The session has ended: it takes over none, and none takes it over."""
        self._replaced.pop(session, None)
        for new in [new for new, old in self._replaced.items() if old == session]:
            del self._replaced[new]

    def done(self, has_answers: Callable[[str], bool]) -> Iterator[str]:
        """The sessions that are replaced now, each once: their successors have been answered."""
        for new in list(self._replaced):
            if new not in self._replaced or not has_answers(new):
                continue
            old = self._replaced.pop(new, None)
            while old is not None:
                yield old
                old = self._replaced.pop(old, None)  # that it was to replace itself
