"""What a kind of sink does with batches; `edge.sinks.sink` does the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edge.sinks.event_queue import Batch, SinkEvent


class DeliveryError(Exception):
    """A batch has not arrived, or not whole. The message holds no secret."""

    def __init__(
        self,
        message: str,
        *,
        left: Sequence[SinkEvent] | None = None,
        refused: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        """`left`: the events to send again, by default all; `refused`: the receiver takes the
        batch for wrong, so that sending it again is no use."""
        super().__init__(message)
        self.left, self.refused, self.retry_after_s = left, refused, retry_after_s


class SinkWriter(Protocol):
    """The I/O of a sink; one call at a time."""

    async def deliver(self, batch: Batch) -> None:
        """Send it; DeliveryError if it has not arrived."""

    async def maintain(self) -> None:
        """Called at the start and some times a minute without events; DeliveryError as above."""

    async def close(self) -> None:
        """Release everything; raises nothing but DeliveryError."""


class SinkError(Exception):
    """A sink cannot be used as it is set; the message names the key and the rule."""
