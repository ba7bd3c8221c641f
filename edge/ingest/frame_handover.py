"""An ingest process' way to the batcher: pictures into shared memory, requests to the server."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import cast

from edge.batching.dispatcher import Answer, Job
from edge.batching.request import FrameRequest
from edge.ingest.messages import Answered, Dropped, FrameOffered, Message
from edge.ipc.shared_memory import PictureTooLargeError, PoolFullError, SharedPictures


class FrameHandover:
    """Frames that have been offered and have not ended; bounded by the slots.

    Drop rule: a frame that finds no slot free is dropped as "overload". A slot is free again once
    the server has told its frame's end.
    """

    def __init__(self, slots: SharedPictures, send: Callable[[Message], None]) -> None:
        self._slots = slots
        self._send = send
        self._numbers = itertools.count()
        self._waiting: dict[int, tuple[Job, int]] = {}  # (who wants to know, slot)

    def offer(self, request: FrameRequest) -> None:
        """Take a frame whose payload is a Job."""
        job = cast(Job, request.payload)
        picture = job.picture
        try:
            [slot] = self._slots.put([picture])
        except PoolFullError:
            job.dropped("overload")
            return
        except PictureTooLargeError:
            job.dropped("too_large")
            return
        number = next(self._numbers)
        self._waiting[number] = (job, slot)
        self._send(
            FrameOffered(
                number,
                request.session,
                slot,
                (picture.width, picture.height),
                picture.full_range,
                request.rtp,
                request.ready_ms,
                request.deadline_ms,
                request.variants,
            )
        )

    def remove(self, session: str) -> None:
        """The server forgets a session's waiting frame by itself."""

    def ended(self, message: Answered | Dropped) -> None:
        """The server tells a frame's end."""
        waiting = self._waiting.pop(message.frame, None)
        if waiting is None:
            return
        job, slot = waiting
        self._slots.release([slot])
        if isinstance(message, Dropped):
            job.dropped(message.reason)
            return
        job.answered(
            Answer(
                message.variant,
                message.batch,
                message.boxes,
                message.dispatched_ms,
                message.inferred_ms,
                message.device,
            )
        )
