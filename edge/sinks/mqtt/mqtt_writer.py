"""Batches to an MQTT 5 broker, a message for each event, over a connection that is kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from edge.base.event_log import get_logger
from edge.sinks.event_queue import Batch, SinkEvent
from edge.sinks.gap import gap_text
from edge.sinks.mqtt import topics
from edge.sinks.mqtt.home_assistant import discovery
from edge.sinks.mqtt.label_counts import LabelCounts
from edge.sinks.settings import MqttSettings
from edge.sinks.tls import tls_context
from edge.sinks.writer import DeliveryError, SinkError
from edge.tracking.events import EVENT_KINDS

if TYPE_CHECKING:
    from aiomqtt import Client

log = get_logger("edge.sinks")

EXTRA = "pip install 'edge-video[mqtt]'"
KEEPALIVE_S = 15
ONLINE, OFFLINE = "online", "offline"


class MqttWriter:
    """Connects when there is something to send or to maintain, and again after a failure."""

    def __init__(self, settings: MqttSettings) -> None:
        """SinkError without aiomqtt, or for a `ca` that cannot be read."""
        try:
            import aiomqtt  # noqa: F401, PLC0415  # of the extra `mqtt`
        except ModuleNotFoundError as error:
            raise SinkError(f"kind: mqtt needs {error.name}: {EXTRA}") from error
        self._settings = settings
        self._tls = tls_context(settings.ca) if settings.tls else None
        self._client: Client | None = None
        self._connection = AsyncExitStack()
        self._lost: asyncio.Task[None] | None = None  # ends with the connection
        self._counts = LabelCounts(settings.classes)
        self._gap_of = ""  # the batch whose gap has been told
        self._announced: set[str] = set()  # labels whose sensors this broker knows

    async def deliver(self, batch: Batch) -> None:
        client = await self._connected()
        prefix = self._settings.prefix
        gap = gap_text(batch, time.time())
        if gap is not None and batch.id != self._gap_of:
            await self._publish(client, topics.gap(prefix), gap)
            self._gap_of = batch.id
        sends = [
            asyncio.create_task(self._publish(client, self._topic(each), each.text))
            for each in batch.events
        ]
        left = [
            event
            for event, arrived in zip(batch.events, await self._arrived(sends), strict=True)
            if not arrived
        ]
        self._count([event for event in batch.events if event not in left])
        if left:
            await self._disconnect()
            raise DeliveryError("the connection was lost", left=left)
        try:
            await self._tell_counts(client)
        except DeliveryError as error:  # the events themselves have arrived
            raise DeliveryError(str(error), left=[]) from error

    async def _arrived(self, sends: Sequence[asyncio.Task[None]]) -> list[bool]:
        """Which of them the broker has confirmed, by the end of the connection."""
        assert self._lost is not None
        sent = asyncio.gather(*sends, return_exceptions=True)
        try:
            # The library does not tell those who wait that the connection has gone.
            either: list[asyncio.Future[Any]] = [sent, self._lost]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in sends:
                each.cancel()
            outcomes = await asyncio.gather(*sends, return_exceptions=True)
        return [outcome is None for outcome in outcomes]

    async def maintain(self) -> None:
        await self._tell_counts(await self._connected())

    async def close(self) -> None:
        prefix = self._settings.prefix
        try:
            if self._client is not None and self._lost is not None and not self._lost.done():
                for label in self._counts.labels:
                    await self._retain(self._client, topics.label_status(prefix, label), OFFLINE)
                await self._retain(self._client, topics.status(prefix), OFFLINE)
        finally:
            await self._disconnect()

    async def _connected(self) -> Client:
        if self._client is not None and self._lost is not None and not self._lost.done():
            return self._client
        await self._disconnect()
        from aiomqtt import Client, MqttError, ProtocolVersion, Will  # noqa: PLC0415

        settings = self._settings
        password = settings.password
        client = Client(
            settings.host,
            settings.port_or_default,
            username=settings.username,
            password=None if password is None else password.get_secret_value(),
            identifier=settings.client_id or f"edge-{socket.gethostname()}-{settings.name}",
            protocol=ProtocolVersion.V5,
            will=Will(topics.status(settings.prefix), OFFLINE, qos=1, retain=True),
            timeout=settings.timeout_s,
            keepalive=KEEPALIVE_S,
            tls_context=self._tls,
            max_queued_incoming_messages=1,  # none is asked for
            logger=_quiet_logger(),
        )
        client.pending_calls_threshold = settings.batch_events + 1
        try:
            await self._connection.enter_async_context(client)
        except MqttError as error:
            raise DeliveryError(_reason(error)) from error
        self._client = client
        self._lost = asyncio.create_task(_until_lost(client))
        self._announced.clear()  # the broker may be another one, or have forgotten
        self._counts.change_all()
        await self._retain(client, topics.status(settings.prefix), ONLINE)
        return client

    async def _disconnect(self) -> None:
        from aiomqtt import MqttError  # noqa: PLC0415

        if self._lost is not None:
            self._lost.cancel()
            await asyncio.wait([self._lost])
        self._client = self._lost = None
        connection, self._connection = self._connection, AsyncExitStack()
        with contextlib.suppress(MqttError):
            await connection.aclose()

    def _topic(self, event: SinkEvent) -> str:
        name = topics.events if event.kind in EVENT_KINDS else topics.results
        return name(self._settings.prefix, event.label, event.session)

    def _count(self, events: list[SinkEvent]) -> None:
        if not self._settings.home_assistant:
            return
        for event in events:
            if event.kind == "bye":
                self._counts.end(event.session)
            elif event.kind == "detections":
                boxes = json.loads(event.text)["boxes"]
                self._counts.update(event.label, event.session, (box[0] for box in boxes))

    async def _tell_counts(self, client: Client) -> None:
        """Sensors, their values and whether their cameras are there, where that has changed.

        After an error the connection is given up; all is told again on the next one.
        """
        settings = self._settings
        try:
            for label in self._counts.take_changed():
                counts = json.dumps(self._counts.counts(label))
                status = ONLINE if self._counts.is_live(label) else OFFLINE
                told = {
                    topics.label_counts(settings.prefix, label): counts,
                    topics.label_status(settings.prefix, label): status,
                }
                if label not in self._announced:
                    told |= (
                        discovery(settings.prefix, settings.discovery_prefix, label, name)
                        for name in settings.classes
                    )
                await asyncio.gather(*(self._retain(client, *each) for each in told.items()))
                self._announced.add(label)
        except DeliveryError:
            await self._disconnect()
            raise

    async def _retain(self, client: Client, topic: str, payload: str) -> None:
        await self._publish(client, topic, payload, retain=True)

    async def _publish(
        self, client: Client, topic: str, payload: str, *, retain: bool = False
    ) -> None:
        """DeliveryError if the broker has not confirmed it."""
        from aiomqtt import MqttError  # noqa: PLC0415

        try:
            await client.publish(topic, payload, qos=self._settings.qos, retain=retain)
        except (MqttError, ValueError) as error:
            raise DeliveryError(_reason(error)) from error


async def _until_lost(client: Client) -> None:
    """Ends when the connection does."""
    from aiomqtt import MqttError  # noqa: PLC0415

    with contextlib.suppress(MqttError):
        async for _ in client.messages:
            pass


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _quiet_logger() -> logging.Logger:
    """The library's own messages say nothing that the sink does not."""
    logger = logging.getLogger("edge.sinks.mqtt.library")
    logger.setLevel(logging.CRITICAL)
    return logger
