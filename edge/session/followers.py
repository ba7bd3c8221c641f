"""Readers of every session's results within the server: for the operator's feed and for sinks."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Protocol

from edge.session.interface import SessionInterface
from edge.session.registry import SessionRegistry
from edge.session.results.result_streams import TooManyStreamsError

FINISH_S = 0.5  # for messages of sessions that have just ended
END = '{"type":"bye"'


class ResultReader(Protocol):
    """Whoever gets the messages of all sessions; no method waits."""

    @property
    def wants_results(self) -> bool:
        """Whether sessions have to be followed for it now."""

    def put(self, session: str, label: str, text: str) -> None:
        """A message of the session of this name."""

    def skip(self, label: str, count: int) -> None:
        """So many messages of a session with this label have been lost on their way."""


class Followers:
    """A task for each session while a reader wants results.

    An offer that never connected was no session, and its end is told to nobody.
    """

    def __init__(self, sessions: SessionRegistry, readers: list[ResultReader]) -> None:
        self._sessions, self._readers = sessions, readers
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by session id

    def refresh(self) -> None:
        """Follow the sessions there are now; called when one comes or goes, and regularly."""
        if not any(reader.wants_results for reader in self._readers):
            for task in self._tasks.values():
                task.cancel()
            self._tasks.clear()
            return
        for session in self._sessions:
            if session.id not in self._tasks:
                name = f"results of {session.name}"
                self._tasks[session.id] = asyncio.create_task(self._follow(session), name=name)

    async def close(self) -> None:
        """Let those of ended sessions finish, end all others."""
        tasks = [*self._tasks.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=FINISH_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, session: SessionInterface) -> None:
        try:
            with suppress(TooManyStreamsError), session.subscribe() as queue:
                ended, skipped = False, 0
                while (text := await queue.get()) is not None:
                    if queue.skipped > skipped:
                        for reader in self._readers:
                            reader.skip(session.label, queue.skipped - skipped)
                        skipped = queue.skipped
                    ended = text.startswith(END)
                    if not ended or session.connected:
                        self._put(session, text)
                if not ended and session.connected:  # its process has gone, with the message
                    bye = {"type": "bye", "code": "timeout", "message": "the session was lost"}
                    self._put(session, json.dumps(bye, separators=(",", ":")))
        finally:
            if self._tasks.get(session.id) is asyncio.current_task():
                del self._tasks[session.id]  # one whose streams were taken is tried again

    def _put(self, session: SessionInterface, text: str) -> None:
        for reader in self._readers:
            reader.put(session.name, session.label, text)
