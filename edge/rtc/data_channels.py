"""A publisher's data channels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiortc import RTCDataChannel

from edge.base.event_log import get_logger

MAX_CHANNELS = 8  # of a publisher; further ones are closed
MAX_BUFFERED = 16 * 1024  # bytes buffered in an unreliable channel; further messages are dropped
MAX_BUFFERED_RELIABLE = 1 << 20  # the same for a reliable one

_log = get_logger(__name__)


class DataChannels:
    """The channels that the publisher has opened, by label.

    `on_channel(label)` is called once a channel is open, `on_message(label, text or bytes)` with
    each message that comes.
    """

    def __init__(
        self, on_channel: Callable[[str], None], on_message: Callable[[str, str | bytes], None]
    ) -> None:
        self._on_channel, self._on_message = on_channel, on_message
        self._channels: dict[str, RTCDataChannel] = {}
        self._news = asyncio.Event()  # one was opened

    def opened(self, channel: RTCDataChannel) -> None:
        """The publisher has opened one; closed at once if it is one too many."""
        label = channel.label
        if len(self._channels) >= MAX_CHANNELS or label in self._channels:
            channel.close()
            return
        self._channels[label] = channel
        channel.on("message", lambda data: self._on_message(label, data))
        channel.on("close", lambda: self._channels.pop(label, None))
        self._news.set()
        self._on_channel(label)

    def send(self, label: str, text: str) -> bool:
        """Send on the channel of that name; False if it isn't open or has too much buffered.

        Drop rule: a message that would wait behind `MAX_BUFFERED` bytes is not sent.
        """
        channel = self._channels.get(label)
        if channel is None or channel.readyState != "open":
            return False
        reliable = channel.maxRetransmits is None and channel.maxPacketLifeTime is None
        if channel.bufferedAmount > (MAX_BUFFERED_RELIABLE if reliable else MAX_BUFFERED):
            return False
        try:
            channel.send(text)
        except Exception:  # larger than the publisher accepts, or the channel is closing
            _log.debug("message_not_sent", channel=label, exc_info=True)
            return False
        return True

    async def send_last(self, label: str, text: str, timeout_s: float) -> bool:
        """Send the connection's last message; whether it was sent.

        A publisher that is refused as it connects has no channel yet: where none has been opened,
        that one is awaited.
        """
        if not self._channels:
            try:
                await asyncio.wait_for(self._until_open(label), timeout_s)
            except TimeoutError:
                return False
        return self.send(label, text)

    async def _until_open(self, label: str) -> None:
        while label not in self._channels:
            self._news.clear()
            await self._news.wait()

    def clear(self) -> None:
        """Forget them: the connection has ended."""
        self._channels.clear()
