"""A session in the place of another, as the server asks: make before break.

The former sends until the successor has the first key frame, and then waits for its last answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from edge.base.event_log import get_logger
from edge.client.whip_client import PublishError
from edge.publish.camera_publisher import CameraPublisher

log = get_logger("edge.publish.move")


class Move:
    """`step` with each look at what is due; `close` ends what has not become anybody's."""

    def __init__(self, connect: Callable[[str], Awaitable[CameraPublisher]]) -> None:
        """`connect` gives a session in the place of the one named; PublishError if it can't."""
        self._connect = connect
        self._connecting: asyncio.Task[CameraPublisher] | None = None
        self._successor: CameraPublisher | None = None
        self._ending: set[asyncio.Task[None]] = set()

    def step(self, publisher: CameraPublisher, at_ms: float) -> CameraPublisher | None:
        """Do what is due for the present session; its successor, once that is connected."""
        if self._successor is not None:
            if self._successor.reason is None:
                self._successor.do_periodic_work(at_ms)
                return self._successor
            self._abandon(self._successor)  # the server asks again
        if self._connecting is not None:
            if self._connecting.done():
                self._successor = _connected(self._connecting)
                self._connecting = None
        elif publisher.asked_to_move.is_set():
            publisher.asked_to_move.clear()
            self._connecting = asyncio.ensure_future(self._connect(publisher.whip_session))
        return self._successor

    def done(
        self, former: CameraPublisher, end: Callable[[CameraPublisher], Awaitable[None]]
    ) -> None:
        """The successor sends: the former ends with its last answers."""
        self._successor = None
        self._spawn(_end_later(former, end))

    async def close(self) -> None:
        """Until the former sessions have ended, and what was still to come is given up."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
            self._successor = self._successor or _connected(self._connecting)
        if self._successor is not None:
            self._abandon(self._successor)
        if self._ending:
            await asyncio.wait(self._ending)

    def _abandon(self, successor: CameraPublisher) -> None:
        self._successor = None
        self._spawn(successor.close())

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _connected(task: asyncio.Task[CameraPublisher]) -> CameraPublisher | None:
    """What has connected; None if it could not."""
    try:
        return task.result()
    except asyncio.CancelledError:
        return None
    except PublishError as error:
        log.info("not_moved", reason=str(error))
        return None


async def _end_later(
    former: CameraPublisher, end: Callable[[CameraPublisher], Awaitable[None]]
) -> None:
    await former.wait_for_answers()
    await end(former)
