"""Which rendition of the clip to send: as hint and estimate allow, loaded off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from edge.client.messages import ReceivedHint
from edge.client.video_sender import START_BPS
from netem.footage.encoded_clip import EncodedClip, Rendition
from netem.publisher.clip_stream import ClipStream

START_LONG_SIDE = 320


class RenditionSelector:
    """Selects renditions for a stream.

    `on_applied()` is called when the hint's rendition is the one being sent, `on_failed(reason)`
    when a rendition cannot be encoded.
    """

    def __init__(
        self,
        clip: EncodedClip,
        stream: ClipStream,
        on_applied: Callable[[], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self.estimate_bps: float | None = None
        self._hint: ReceivedHint | None = None
        self._clip = clip
        self._stream = stream
        self._on_applied = on_applied
        self._on_failed = on_failed
        self._selected: Rendition | None = None
        self._loading: asyncio.Task[None] | None = None
        self._stopped = False

    async def start(self) -> None:
        """Select the first rendition, and wait until there is one to send."""
        if self._selected is None:
            self._select()
        if self._loading is not None:
            await asyncio.shield(self._loading)

    async def stop(self) -> None:
        """Select nothing more, and wait for the thread that may still encode."""
        self._stopped = True
        if self._loading is not None:
            with suppress(Exception):
                await self._loading

    def on_hint(self, hint: ReceivedHint) -> None:
        """Obey another hint."""
        self._hint = hint
        self._select()

    def on_estimate(self, bps: float) -> None:
        """Keep to another estimate of the link."""
        self.estimate_bps = bps
        self._select()

    def on_sent(self, rendition: Rendition) -> None:
        """The stream has changed to this rendition."""
        if rendition == self._selected:
            self._on_applied()

    def _select(self) -> None:
        """The rendition that hint and estimate allow; until the first hint, the estimate alone."""
        hint, estimate_bps = self._hint, self.estimate_bps or START_BPS
        if hint is None:
            self._want(self._clip.rendition(START_LONG_SIDE, min(START_BPS, estimate_bps)))
        else:
            bps = min(hint.max_bps, estimate_bps)
            self._want(self._clip.rendition(hint.max_edge, bps, hint.fps))
            self._stream.share = hint.fps / self._clip.fps

    def _want(self, rendition: Rendition) -> None:
        self._selected = rendition
        encoded = self._clip.ready(rendition)
        if encoded is not None:
            self._stream.want(encoded)
            if self._stream.encode is encoded:
                self._on_applied()
        elif self._loading is None:
            self._loading = asyncio.ensure_future(self._load())

    async def _load(self) -> None:
        """Encode or read the selected rendition; meanwhile another may have been selected."""
        try:
            while self._selected is not None and self._clip.ready(self._selected) is None:
                await asyncio.to_thread(self._clip.get, self._selected)
        except Exception as error:
            self._on_failed(f"no video to send: {error}")
            raise
        finally:
            self._loading = None
        if self._selected is not None and not self._stopped:
            self._want(self._selected)
