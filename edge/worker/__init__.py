"""Workers: one process a device, pictures handed over by shared memory."""

from edge.slots import PictureTooLargeError, PoolFullError
from edge.worker.messages import Box
from edge.worker.options import Options
from edge.worker.outcome import Failure, NotReadyError, Result, State, WorkerError
from edge.worker.pool import DEFAULT_MAX_PIXELS, DEFAULT_SLOTS, WorkerPool, WorkerStatus

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "DEFAULT_SLOTS",
    "Box",
    "Failure",
    "NotReadyError",
    "Options",
    "PictureTooLargeError",
    "PoolFullError",
    "Result",
    "State",
    "WorkerError",
    "WorkerPool",
    "WorkerStatus",
]
