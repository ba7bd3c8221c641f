"""Sessions that take over others: make before break, in the place of an ICE restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from edge.scheduling.assignment import NO_PINS
from edge.session.interface import SessionInterface, SessionOptions

ANSWER_TIMEOUT_MS = 10_000.0
"""From a new session's DTLS to the end of the one it replaces, where no answer ends it before: two
sessions in one place are for a change of networks, and not for good."""


def inherit(
    options: SessionOptions, old_options: SessionOptions, old: SessionInterface, now_ms: float
) -> SessionOptions:
    """The options of a session that replaces `old`: what its publisher did not choose anew."""
    view, snapshot = old.view(now_ms), old.snapshot(now_ms)
    model = old_options.model if options.model is None else options.model
    return replace(
        options,
        slo_ms=view.slo_ms if options.slo_ms is None else options.slo_ms,
        label=options.label or view.label,
        classes=old_options.classes if options.classes is None else options.classes,
        model=model,
        min_score=old_options.min_score if options.min_score is None else options.min_score,
        pins=view.pins if (model or None) == (old_options.model or None) else NO_PINS,
        start_bps=snapshot.link_bps,
        replaces=old.id,
    )


class Replacements:
    """Which session is to take over which, until its first answer; ids throughout.

    A session has one successor at most, and a successor has none: whoever replaces it takes its
    place, so that sessions which wait to be taken over form no chains.
    """

    def __init__(self) -> None:
        self._replaced: dict[str, str] = {}  # by the new session
        self._connected_ms: dict[str, float] = {}  # by the new session, once its DTLS is up

    def target(self, named: str) -> str:
        """The session that one which names `named` is to take over."""
        return self._replaced.get(named, named)

    def successor(self, old: str) -> str | None:
        """The session that is to take over `old`."""
        return next((new for new, other in self._replaced.items() if other == old), None)

    def begin(self, new: str, named: str) -> str | None:
        """`new` is to take over the target of `named`; the session that was to do so before, and
        is not needed."""
        old = self.target(named)
        former = self.successor(old)
        if former is not None:
            self.forget(former)
        self._replaced[new] = old
        return former

    def connected(self, new: str, now_ms: float) -> None:
        """The DTLS of `new` is up: it takes the place of the old one, which need not wait long."""
        if new in self._replaced:
            self._connected_ms[new] = now_ms

    def of(self, new: str) -> str | None:
        """The session that `new` is to take over."""
        return self._replaced.get(new)

    def connected_successor(self, old: str) -> str | None:
        """The session that has the place of `old` already."""
        new = self.successor(old)
        return new if new in self._connected_ms else None

    def forget(self, session: str) -> None:
        """The session has ended: it takes over none, and none takes it over."""
        new = self.successor(session)
        for each in (session, new):
            if each is not None:
                self._replaced.pop(each, None)
                self._connected_ms.pop(each, None)

    def done(self, has_answers: Callable[[str], bool], now_ms: float) -> Iterator[str]:
        """The sessions that are replaced now, each once: their successors have been answered, or
        have been connected for `ANSWER_TIMEOUT_MS`."""
        for new, old in list(self._replaced.items()):
            since_ms = self._connected_ms.get(new, now_ms)
            if now_ms - since_ms >= ANSWER_TIMEOUT_MS or has_answers(new):
                self.forget(new)
                yield old
