"""Messages for sinks, and a writer whose receiver a test breaks and mends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from edge.sinks.event_queue import Batch, SinkEvent
from edge.sinks.settings import SinkSettings
from edge.sinks.sink import Sink
from edge.sinks.writer import DeliveryError

SECRET = "a secret of the tests"
_SETTINGS: TypeAdapter[Any] = TypeAdapter(SinkSettings)


def settings(kind: str = "webhook", **fields: Any) -> Any:
    """Of a sink; what its kind needs is filled in."""
    needed: dict[str, Any] = {
        "webhook": {"url": "http://127.0.0.1:9/", "secret": SECRET},
        "jsonl": {"folder": "nowhere"},
        "mqtt": {"host": "127.0.0.1"},
    }[kind]
    return _SETTINGS.validate_python({"name": "it", "kind": kind, **needed, **fields})


def detections(*boxes: tuple[str, float], variant: str = "yolov4-tiny-416", rtp: int = 0) -> str:
    """A message as sessions write it."""
    written = [[name, score, 0.1, 0.2, 0.3, 0.4] for name, score in boxes]
    message = {"type": "detections", "rtp": rtp, "variant": variant, "batch": 1, "boxes": written}
    return json.dumps(message, separators=(",", ":"))


BYE = '{"type":"bye","code":"ended","message":"over"}'


def event(text: str = '{"type":"detections","boxes":[]}', label: str = "gate") -> SinkEvent:
    return SinkEvent("abc123", label, json.loads(text)["type"], text)


def batch(*events: SinkEvent, dropped: int = 0, total: int = 0) -> Batch:
    return Batch("boot-1", events, dropped, total)


async def until(true: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Until something is true that tells nobody."""
    async with asyncio.timeout(timeout_s):
        while not true():  # noqa: ASYNC110  # sinks tell nobody of their progress
            await asyncio.sleep(0.01)


class FakeWriter:
    """Keeps what arrives; `error` is raised instead while it is set."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.tried: list[Batch] = []
        self.error: Exception | None = None
        self.open = asyncio.Event()  # cleared: it hangs
        self.open.set()
        self.closed = False
        self.maintained = 0
        self.maintain_error: DeliveryError | None = None

    async def deliver(self, batch: Batch) -> None:
        self.tried.append(batch)
        await self.open.wait()
        if self.error is not None:
            error = self.error
            if isinstance(error, DeliveryError) and error.left is not None:
                self.error = None
                first = [each for each in batch.events if each not in error.left]
                self.batches.append(Batch(batch.id, first, batch.dropped, batch.dropped_total))
            raise error
        self.batches.append(batch)

    async def maintain(self) -> None:
        self.maintained += 1
        if self.maintain_error is not None:
            raise self.maintain_error

    async def close(self) -> None:
        self.closed = True

    @property
    def numbers(self) -> list[int]:
        """Of the events that have arrived."""
        texts = [event.text for batch in self.batches for event in batch.events]
        return [int(json.loads(text)["event"].partition("-")[2]) for text in texts]


def sink(writer: FakeWriter, kind: str = "mqtt", **fields: Any) -> Sink:
    """One whose batches wait for next to no time."""
    return Sink(settings(kind, **fields), writer)
