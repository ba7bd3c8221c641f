"""Splits batches that a device's memory does not hold, so that their frames are not lost.

A GPU's memory may be short for a while: another program takes it, or it is fragmented. A batch
that runs out of it is run again in halves, and so is each one as large of that variant, until a
whole one is tried again `RETRY_MS` later. The server measures the time as the batch's latency, and
therefore soon chooses smaller batches by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.base.event_log import get_logger
from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.workers.backends import Device

log = get_logger("edge.workers")

RETRY_MS = 60_000.0


class BatchSplitter:
    """Runs batches on a device in parts no larger than its memory has recently held."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.device_ms: float | None = None
        """The time of all parts of the last batch by the device's own clock, if it has one."""
        self._limits: dict[str, tuple[int, float]] = {}  # by variant: pictures, and until when (ms)

    def detect(self, pictures: Sequence[Picture], variant: str, now_ms: float) -> list[list[Box]]:
        """Boxes of each picture; raises the device's error if a batch of one fails."""
        limit, until_ms = self._limits.get(variant, (len(pictures), 0.0))
        if now_ms >= until_ms:
            limit = len(pictures)
            self._limits.pop(variant, None)
        boxes: list[list[Box]] = []
        self.device_ms = None
        while len(boxes) < len(pictures):
            part = pictures[len(boxes) : len(boxes) + limit]
            try:
                boxes += self._device.detect(part, variant)
                if (part_ms := self._device.device_ms()) is not None:
                    self.device_ms = (self.device_ms or 0.0) + part_ms
            except Exception as error:
                if not is_out_of_memory(error) or len(part) == 1 or not self._device.healthy():
                    raise
                limit = (len(part) + 1) // 2
                self._limits[variant] = (limit, now_ms + RETRY_MS)
                log.warning("out_of_memory", variant=variant, pictures=len(part))
        return boxes


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; by the name, since PyTorch may not be loaded in this process."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
