"""All sinks of a server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

from edge.sinks.event_filter import ResultMessage
from edge.sinks.files.jsonl_writer import JsonLinesWriter
from edge.sinks.mqtt.mqtt_writer import MqttWriter
from edge.sinks.settings import JsonLinesSettings, SinkSettings, WebhookSettings
from edge.sinks.sink import Sink
from edge.sinks.webhook.webhook_writer import WebhookWriter
from edge.sinks.writer import SinkError, SinkWriter

FLUSH_S = 2.0  # for what waits at the end, of all sinks at a time


class SinkSet:
    """Started and stopped by the server; without sinks it costs nothing."""

    def __init__(self, settings: Sequence[SinkSettings]) -> None:
        """SinkError for a sink that cannot be used as it is set."""
        self._sinks = []
        for number, each in enumerate(settings):
            try:
                self._sinks.append(Sink(each, _writer(each)))
            except SinkError as error:
                raise SinkError(f"sinks[{number}].{error}") from error

    def __len__(self) -> int:
        return len(self._sinks)

    def __iter__(self) -> Iterator[Sink]:
        return iter(self._sinks)

    @property
    def wants_results(self) -> bool:
        """Whether sessions have to be followed: always, if there is a sink."""
        return bool(self._sinks)

    def start(self) -> None:
        for sink in self._sinks:
            sink.start()

    def put(self, session: str, label: str, text: str) -> None:
        """A session's message."""
        if not self._sinks:
            return
        message = ResultMessage(session, label, text, time.time())
        if message.kind:
            for sink in self._sinks:
                sink.put(message)

    def skip(self, label: str, count: int) -> None:
        """Messages of a session with this label were lost on their way here."""
        for sink in self._sinks:
            sink.skip(label, count)

    async def stop(self) -> None:
        """Send what waits, for `FLUSH_S` at most."""
        await asyncio.gather(*(sink.stop(FLUSH_S) for sink in self._sinks))


def _writer(settings: SinkSettings) -> SinkWriter:
    if isinstance(settings, WebhookSettings):
        return WebhookWriter(settings)
    if isinstance(settings, JsonLinesSettings):
        return JsonLinesWriter(settings)
    return MqttWriter(settings)
