"""What becomes of a batch, and of a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.ipc.shared_memory import PoolFullError
from edge.workers.messages import Box

State = Literal["starting", "ready", "lost"]


class WorkerError(RuntimeError):
    """A worker can't be started."""


class NotReadyError(PoolFullError):
    """The device has no worker now, and so no room for a batch."""


@dataclass(frozen=True, slots=True)
class Result:
    """A batch's boxes, picture by picture, and when it ran: server's monotonic clock, ms.

    `device_ms` is what the device itself took of that time, the rest is its host's doing.
    """

    boxes: list[list[Box]]
    started_ms: float
    ended_ms: float
    device_ms: float

    @property
    def inference_ms(self) -> float:
        return self.ended_ms - self.started_ms


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a batch has no result."""

    message: str
