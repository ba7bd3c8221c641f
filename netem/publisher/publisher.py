"""A light publisher: real video over real WebRTC transports, without browser or encoder.

It obeys hints and counts every frame. Its video was encoded before
(`netem.footage.encoded_clip`), so a change takes effect at the clip's next step.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

import aiohttp

from edge.client.clocks import unix_ms
from edge.client.frame_outcomes import PublishedFrame, PublisherStats
from edge.client.messages import ReceivedHint
from edge.client.publisher import Publisher
from edge.client.whip_client import WhipClient
from netem.footage.encoded_clip import EncodedClip
from netem.publisher.clip_stream import ClipStream
from netem.publisher.rendition_change import RenditionChange
from netem.publisher.rendition_selector import RenditionSelector


class LightPublisher(Publisher):
    """One client. Made by `publishing`, which also ends it."""

    def __init__(
        self,
        whip: WhipClient,
        clip: EncodedClip,
        *,
        slo_ms: float = 100.0,
        label: str = "",
        replaces: str = "",
    ) -> None:
        query = {"replaces": replaces} if replaces else None
        super().__init__(whip, slo_ms=slo_ms, label=label, fps=clip.fps, query=query)
        self.hints: list[ReceivedHint] = []
        self.changes: list[RenditionChange] = []
        self._clip = clip
        self._stream = ClipStream(clip.step, clip.run, clip.ticks)
        self._selector = RenditionSelector(clip, self._stream, self.hint_applied, self.end)
        # Publishers of the same clip begin at different places in it.
        self._shift = clip.step * random.randrange(clip.ticks // clip.step)
        self._lag_ms = 0.0

    @property
    def sent_size(self) -> tuple[int, int] | tuple[()]:
        """(width, height) of the video being sent; empty before the first frame."""
        encode = self._stream.encode
        return (encode.width, encode.height) if encode is not None else ()

    @property
    def lag_ms(self) -> float:
        """The greatest delay of the capture loop behind its frames' times."""
        return round(self._lag_ms, 1)

    def stats(self) -> PublisherStats:
        """The counts so far, over every frame that was not forgotten."""
        return dataclasses.replace(super().stats(), lag_ms=self.lag_ms)

    def on_hint(self, hint: ReceivedHint) -> None:
        self.hints.append(hint)
        self._selector.on_hint(hint)

    def on_estimate(self, bps: float) -> None:
        self._selector.on_estimate(bps)

    def on_keyframe_request(self) -> None:
        self._stream.want_keyframe()

    async def run(self) -> None:
        """Capture and send until the server ends the session or this task is cancelled."""
        interval_ms = 1000.0 / self._clip.fps
        await self._selector.start()  # the first frame is captured with video to send
        self._first_ms = self._received_ms = unix_ms()
        tick = 0
        while self.reason is None:
            captured_ms = self._first_ms + tick * interval_ms
            await asyncio.sleep((captured_ms - unix_ms()) / 1000.0)
            at_ms = unix_ms()
            self._lag_ms = max(self._lag_ms, at_ms - captured_ms)
            # A frame over an interval late is left out, as an encoder would.
            late = at_ms - captured_ms > interval_ms
            self._capture(tick, captured_ms, inf if late else self._sender.waiting_ms)
            self.do_periodic_work(at_ms)
            self._changed.set()
            tick += 1

    async def close(self) -> None:
        """End the session; frames that are still open become unanswered."""
        self.end("stopped")
        await self._selector.stop()
        await super().close()

    def _capture(self, tick: int, captured_ms: float, waiting_ms: float) -> None:
        place = (tick + self._shift) % self._clip.ticks
        rtp = self._sender.rtp_of(tick / self._clip.fps)
        frame = PublishedFrame(tick, self._clip.sources[place], rtp, captured_ms)
        before = self._stream.encode
        encoded = self._stream.at(tick + self._shift, waiting_ms)
        if isinstance(encoded, str):
            self.left_out(frame, encoded)
            return
        encode = encoded.encode
        if encode is not before:
            change = RenditionChange(encode.rendition, encode.width, encode.height, captured_ms)
            self.changes.append(change)
            self._selector.on_sent(encode.rendition)
        frame.size = (encode.width, encode.height)
        frame.bytes, frame.keyframe = len(encoded.data), encoded.keyframe
        self.send(frame, encoded.data, droppable=encoded.droppable)


@asynccontextmanager
async def publishing(
    url: str,
    clip: EncodedClip | None = None,
    *,
    fps: int = 15,
    slo_ms: float = 100.0,
    label: str = "",
    token: str | None = None,
    insecure: bool = False,
    replaces: str = "",
) -> AsyncIterator[LightPublisher]:
    """A publisher that streams to the server at `url`; ended, with all frames counted, afterwards.

    `clip` defaults to the sample video at `fps`; a given clip has its own frame rate. `insecure`
    accepts any certificate; `replaces` names the session to take the place of. Raises PublishError
    if the server refuses the publisher; one that ends
    later has a `reason`.
    """
    if clip is None:
        clip = await asyncio.to_thread(EncodedClip, fps=fps)
    async with aiohttp.ClientSession() as http:
        whip = WhipClient(http, url, token=token, tls=not insecure)
        publisher = LightPublisher(whip, clip, slo_ms=slo_ms, label=label, replaces=replaces)
        task: asyncio.Task[None] | None = None
        try:
            await publisher.connect()
            task = asyncio.create_task(publisher.run(), name="publisher")
            yield publisher
        finally:
            await _finish(publisher, task)


async def _finish(publisher: LightPublisher, task: asyncio.Task[None] | None) -> None:
    failed: BaseException | None = None
    if task is not None:
        failed = task.exception() if task.done() and not task.cancelled() else None
        task.cancel()
        await asyncio.wait([task])
    await publisher.wait_for_answers()
    await publisher.close()
    if failed is not None:
        raise failed
