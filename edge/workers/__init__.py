"""Workers: one process a device, pictures handed over by shared memory."""

from edge.workers.handle import BatchFailure, BatchResult, WorkerError
from edge.workers.options import WorkerOptions
from edge.workers.pool import DEFAULT_SLOTS, WorkerPool

__all__ = [
    "DEFAULT_SLOTS",
    "BatchFailure",
    "BatchResult",
    "WorkerError",
    "WorkerOptions",
    "WorkerPool",
]
