"""Workers: one process a device, pictures handed over by shared memory."""

from edge.ipc.shared_memory import PictureTooLargeError, PoolFullError
from edge.workers.messages import Box
from edge.workers.options import Options
from edge.workers.outcome import Failure, NotReadyError, Result, State, WorkerError
from edge.workers.pool import DEFAULT_MAX_PIXELS, DEFAULT_SLOTS, WorkerPool, WorkerStatus

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
