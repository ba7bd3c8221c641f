"""Readers of every session's results within the server: for the operator's feed and for sinks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from edge.base.event_log import get_logger
from edge.session.control.control_messages import message
from edge.session.interface import SessionInterface
from edge.session.registry.session_registry import SessionRegistry
from edge.session.results.result_streams import TooManyStreamsError

END = '{"type":"bye"'

_log = get_logger(__name__)


class ResultReader(Protocol):
    """Whoever gets the messages of all sessions, as they come; no method waits."""

    @property
    def wants_results(self) -> bool:
        """Whether sessions have to be followed for it now."""

    def put(self, session: str, label: str, text: str) -> None:
        """A message of the session of this name."""

    def skip(self, label: str, count: int) -> None:
        """So many messages of a session with this label have been lost on their way."""


class Followers:
    """Follows each session while a reader wants results.

    An offer that never connected was no session, and its end is told to nobody.
    """

    def __init__(self, sessions: SessionRegistry, readers: list[ResultReader]) -> None:
        self._sessions, self._readers = sessions, readers
        self._followers: dict[str, _Follower] = {}  # by session id

    def refresh(self) -> None:
        """Follow the sessions there are now; called when one comes or goes, and regularly."""
        if not any(reader.wants_results for reader in self._readers):
            self.close()
            return
        sessions = {session.id: session for session in self._sessions}
        for session_id, follower in [*self._followers.items()]:
            if follower.ended and session_id not in sessions:
                self._followers.pop(session_id).leave()
        for session_id, session in sessions.items():
            if session_id not in self._followers:
                follower = _Follower(session, self._readers)
                with suppress(TooManyStreamsError):  # tried again at the next call
                    follower.leave = session.follow(follower.on_text)
                    self._followers[session_id] = follower

    def close(self) -> None:
        """Follow nobody any more."""
        for follower in self._followers.values():
            follower.leave()
        self._followers.clear()


class _Follower:
    """Passes on one session's messages."""

    def __init__(self, session: SessionInterface, readers: Sequence[ResultReader]) -> None:
        self.leave: Callable[[], None] = lambda: None
        self.ended = False
        self._session, self._readers = session, readers
        self._has_bye = False
        self._skipped = 0

    def on_text(self, text: str | None, skipped: int) -> None:
        """The next message, None at the end; `skipped` were lost on their way so far."""
        session = self._session
        if self.ended:
            return
        if text is None:
            self.ended = True
            if not self._has_bye and session.connected:  # its process has gone, with the message
                self._put(message("bye", code="timeout", message="the session was lost"))
            return
        if skipped > self._skipped:
            for reader in self._readers:
                reader.skip(session.label, skipped - self._skipped)
            self._skipped = skipped
        self._has_bye = text.startswith(END)
        if not self._has_bye or session.connected:
            self._put(text)

    def _put(self, text: str) -> None:
        session = self._session
        for reader in self._readers:
            try:
                reader.put(session.name, session.label, text)
            except Exception:  # one's failure costs neither the others nor the frame
                _log.exception("result_reader_failed", reader=type(reader).__name__)
