"""Batches that a device's memory does not hold are run in parts, not lost.

A GPU's memory may be short for a while: another program takes it, or it is in pieces. The batch
that met this is run again in halves, and so is every one as large of that variant, until
`RETRY_MS` later a whole one is tried again. What that takes is seen by the server as the batch's
latency, so that it comes to choose smaller ones by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from edge.ipc.picture import Picture
from edge.workers.messages import Box

log = logging.getLogger("edge.workers")

RETRY_MS = 60_000.0


class Detects(Protocol):
    """What runs a network, as far as this goes."""

    def detect(self, pictures: Sequence[Picture], variant: str) -> list[list[Box]]:
        """Boxes of each picture."""

    def device_ms(self) -> float | None:
        """What the last `detect` took by the device's own clock; None where it has none."""

    def healthy(self) -> bool:
        """After `detect` raised: whether another batch can still succeed."""


class Parts:
    """A device whose batches are no larger than its memory was seen to hold."""

    def __init__(self, device: Detects) -> None:
        self._device = device
        self.device_ms: float | None = None
        """What all parts of the last batch took by the device's own clock, if it has one."""
        self._most: dict[str, tuple[int, float]] = {}  # by variant: pictures, and until when (ms)

    def detect(self, pictures: Sequence[Picture], variant: str, now_ms: float) -> list[list[Box]]:
        """Boxes of each picture; raises what the device does for a batch of one."""
        most, until_ms = self._most.get(variant, (len(pictures), 0.0))
        if now_ms >= until_ms:
            most = len(pictures)
            self._most.pop(variant, None)
        boxes: list[list[Box]] = []
        self.device_ms = None
        while len(boxes) < len(pictures):
            part = pictures[len(boxes) : len(boxes) + most]
            try:
                boxes += self._device.detect(part, variant)
                if (took_ms := self._device.device_ms()) is not None:
                    self.device_ms = (self.device_ms or 0.0) + took_ms
            except Exception as error:
                if not is_out_of_memory(error) or len(part) == 1 or not self._device.healthy():
                    raise
                most = (len(part) + 1) // 2
                self._most[variant] = (most, now_ms + RETRY_MS)
                log.warning("event=out_of_memory variant=%s pictures=%d", variant, len(part))
        return boxes


def is_out_of_memory(error: Exception) -> bool:
    """By its name, since PyTorch is there only in workers that run a real network."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
