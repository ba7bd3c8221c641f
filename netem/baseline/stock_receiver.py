"""aiortc's own receiver, as it ships: the one that experiments and benchmarks compare with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from edge.base.clock import now_ms
from edge.rtc.transport import aiortc_adapter

OnFrame = Callable[[Any, int, float], None]
OnMessage = Callable[[str, str, float], None]
OnDatagram = Callable[[bytes, float], None]


class StockReceiver:
    """One connection of a publisher, received by aiortc's jitter buffer, NACKs, REMB and decoder.

    `on_frame(frame, rtp, at_ms)` is called with each decoded `av.VideoFrame`, its 32-bit RTP
    timestamp and the monotonic time at which aiortc handed it over;
    `on_message(label, text, at_ms)` with each data channel message; `on_datagram(data, at_ms)` with
    each datagram as it came off the socket (RTP headers are in the clear under SRTP).
    """

    def __init__(
        self,
        on_frame: OnFrame,
        on_message: OnMessage | None = None,
        on_datagram: OnDatagram | None = None,
    ) -> None:
        # An empty list, not None: None would ask a public STUN server.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._on_frame = on_frame
        self._on_message = on_message
        self._on_datagram = on_datagram
        self._channels: dict[str, RTCDataChannel] = {}
        self._draining: list[asyncio.Task[None]] = []
        self._connection.on("track", self._on_track)
        self._connection.on("datachannel", self._on_channel)

    async def answer(self, offer: str) -> str:
        """The SDP answer to an SDP offer."""
        connection = self._connection
        await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        if self._on_datagram is not None:
            aiortc_adapter.tap_datagrams(connection, self._on_datagram)
        return str(connection.localDescription.sdp)

    def send(self, label: str, text: str) -> None:
        """Send on a data channel, if it is open."""
        channel = self._channels.get(label)
        if channel is not None and channel.readyState == "open":
            channel.send(text)

    async def close(self) -> None:
        """End the connection; no callback is called afterwards."""
        for task in self._draining:
            task.cancel()
        await self._connection.close()

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._draining.append(asyncio.ensure_future(self._drain(track)))

    async def _drain(self, track: MediaStreamTrack) -> None:
        receiver = self._connection.getReceivers()[0]
        with contextlib.suppress(MediaStreamError):
            while True:
                frame: Any = await track.recv()
                at_ms = now_ms()
                origin = aiortc_adapter.stock_rtp_origin(receiver) or 0
                self._on_frame(frame, (frame.pts + origin) & 0xFFFFFFFF, at_ms)

    def _on_channel(self, channel: RTCDataChannel) -> None:
        self._channels[channel.label] = channel
        on_message = self._on_message
        if on_message is not None:
            channel.on("message", lambda text: on_message(channel.label, text, now_ms()))
