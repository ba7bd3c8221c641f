"""Batches as lines of JSON in rotated files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from edge.base.event_log import get_logger
from edge.sinks.event_queue import Batch
from edge.sinks.files.line_file import LineFile
from edge.sinks.gap import gap_text
from edge.sinks.settings import JsonLinesSettings
from edge.sinks.writer import DeliveryError

log = get_logger("edge.sinks")


class JsonLinesWriter:
    """All file operations run in a thread, since a disk may hang."""

    def __init__(self, settings: JsonLinesSettings) -> None:
        self._name = settings.name
        self._file = LineFile(
            settings.folder,
            settings.name,
            max_bytes=settings.max_bytes,
            max_age_s=settings.max_age_s,
            files=settings.files,
        )
        self._torn_bytes = 0  # reported so far

    async def deliver(self, batch: Batch) -> None:
        gap = gap_text(batch, time.time())
        lines = [*([gap] if gap else []), *(event.text for event in batch.events)]
        data = "".join(f"{line}\n" for line in lines).encode()
        await self._in_thread(lambda: self._file.append(data))

    async def maintain(self) -> None:
        await self._in_thread(self._file.maintain)

    async def close(self) -> None:
        await self._in_thread(self._file.close)

    async def _in_thread(self, work: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(work)
        except BlockingIOError as error:
            raise DeliveryError("another process writes this file") from error
        except OSError as error:
            raise DeliveryError(error.strerror or type(error).__name__) from error
        if (torn := self._file.torn_bytes) > self._torn_bytes:
            log.warning("sink_torn_line", sink=self._name, bytes=torn - self._torn_bytes)
            self._torn_bytes = torn
