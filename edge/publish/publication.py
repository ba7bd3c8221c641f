"""One source published, for as long as it takes: the source and the server may go and come back.

The source stays open while the server is away, and the session ends while the source is away.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from edge.base.backoff import RetryWait
from edge.client.clocks import unix_ms
from edge.client.whip_client import PublishError, WhipClient
from edge.publish.camera_publisher import CameraPublisher
from edge.publish.media.source import SourceError, SourceInfo
from edge.publish.move import Move
from edge.publish.open_source import OpenSource
from edge.publish.options import SourceOptions
from edge.publish.output import SourceOutput
from edge.publish.totals import Totals, take_ended

WORK_S = 0.05  # between two looks at what is due
STATUS_S = 5.0  # between two lines about frames
STEADY_MS = 10_000.0  # a session, or a source, that lasted so long has worked


class Publication:
    """One source and its sessions, one after another. `run` until it is done, or has failed."""

    def __init__(
        self,
        options: SourceOptions,
        output: SourceOutput,
        new_whip: Callable[[], WhipClient],
    ) -> None:
        self.totals = Totals()
        self._options = options
        self._new_whip = new_whip
        self._output = output
        self._source_wait, self._server_wait = RetryWait(), RetryWait()
        self._reordered = False
        self._recent = Totals()
        self._status_ms = 0.0
        self.waits_for = ""
        """Why it does not publish now; empty while it does."""

    @property
    def name(self) -> str:
        return self._options.name

    async def run(self) -> str | None:
        """Publish until the recording's end (None) or a final failure (its reason)."""
        try:
            while True:
                opened_ms = unix_ms()
                try:
                    await self._publish_source()
                except SourceError as error:
                    if error.final:
                        return str(error)
                    if unix_ms() - opened_ms > STEADY_MS:
                        self._source_wait.worked()
                    reason = str(error).removeprefix(f"{self.name}: ")
                    await self._wait(self._source_wait.next_s(), f"source: {reason}")
                except PublishError as error:
                    return str(error)
                else:
                    return None
        finally:
            self._output.summary(self.totals)

    async def _publish_source(self) -> None:
        """Open the source and publish it to its end. Raises SourceError and final PublishErrors."""
        source = OpenSource(self._options, self._output)
        try:
            info = await source.open(reordered=self._reordered)
            while not source.over.is_set():
                try:
                    await self._publish_session(source, info)
                except PublishError as error:
                    if error.final:
                        raise
                    wait_s = self._server_wait.next_s(error.retry_after_s)
                    await self._wait(wait_s, f"server: {error}", source.over)
            if source.error is not None:
                if source.reordered:
                    self._reordered = True
                    self._source_wait.worked()
                raise source.error
        finally:
            source.close()
            await source.ended()

    async def _publish_session(self, source: OpenSource, info: SourceInfo) -> None:
        """One session, and those that take its place as the server asks, until the source or the
        last session ends; the latter raises PublishError."""
        move = Move(lambda replaces: self._connected(source, info, replaces))
        publisher = await self._connected(source, info)
        try:
            connected_ms = unix_ms()
            source.publisher = publisher
            source.start()
            session: str | None = None
            while publisher.reason is None and not source.over.is_set():
                at_ms = unix_ms()
                publisher.do_periodic_work(at_ms)
                source.check(at_ms)
                self._report(source, publisher, at_ms)
                if session != publisher.session:
                    session = publisher.session
                    self._output.state("connected", session=session)
                source.successor = move.step(publisher, at_ms)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(WORK_S):
                        await source.over.wait()
                source.replace_ended()
                if source.publisher is not publisher:  # its successor has its frames
                    move.done(publisher, self._end)
                    assert source.publisher is not None
                    publisher = source.publisher
            if unix_ms() - connected_ms > STEADY_MS or publisher.outcomes.frames:
                self._server_wait.worked()
            if publisher.reason is not None:
                raise PublishError(publisher.reason, final=publisher.final)
            source.publisher = None
            await publisher.wait_for_answers()
        except asyncio.CancelledError:
            source.publisher = None
            await publisher.wait_for_answers()
            raise
        finally:
            source.publisher = source.successor = None
            await asyncio.shield(asyncio.gather(move.close(), self._end(publisher)))

    async def _connected(
        self, source: OpenSource, info: SourceInfo, replaces: str = ""
    ) -> CameraPublisher:
        """A session that is connected, and not sent any frame yet. Raises PublishError."""
        whip = self._new_whip()
        publisher = CameraPublisher(
            whip,
            self._options,
            info,
            codec=source.codec,
            on_result=self._output.result,
            transcoder=source.transcoder,
            replaces=replaces,
        )
        try:
            await publisher.connect()
        except BaseException:
            await asyncio.shield(publisher.close())
            raise
        self._output.say(f"{'moved' if replaces else 'connected'} to {whip.url}")
        return publisher

    async def _end(self, publisher: CameraPublisher) -> None:
        """Close a session, and count its frames."""
        await publisher.close()
        self._count(take_ended(publisher.outcomes, unix_ms(), all_of_them=True))

    def _report(self, source: OpenSource, publisher: CameraPublisher, at_ms: float) -> None:
        """A line about the last seconds, every `STATUS_S`."""
        if not self._status_ms:
            self._status_ms = at_ms
        passed_s = (at_ms - self._status_ms) / 1000.0
        if passed_s < STATUS_S:
            return
        self._status_ms = at_ms
        self._count(take_ended(publisher.outcomes, at_ms))
        recent, self._recent = self._recent, Totals()
        more = ""
        if source.times.camera_delay_ms is not None:
            more = f", camera {source.times.camera_delay_ms:.0f} ms ago by its clock"
            more += "" if source.times.source == "camera" else " (not believed)"
        self._output.say(recent.line(passed_s) + more)

    def _count(self, ended: Totals) -> None:
        self.totals.merge(ended)
        self._recent.merge(ended)
        if ended.answered:
            self.waits_for = ""
            self._source_wait.worked()

    async def _wait(self, wait_s: float, why: str, over: asyncio.Event | None = None) -> None:
        self.waits_for = why
        self._output.say(f"{why}; again in {wait_s:.1f} s")
        self._output.state("waiting", reason=why, seconds=round(wait_s, 1))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await (over or asyncio.Event()).wait()
