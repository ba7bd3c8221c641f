"""Forwards an ingest process' frames to the server: pictures by shared memory, then a message."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import cast

from edge.batching.dispatcher import Answer, InferenceJob
from edge.batching.request import FrameRequest
from edge.ingest.messages import FrameAnswered, FrameDropped, FrameOffered, Message
from edge.ipc.shared_memory import NoFreeSlotError, PictureTooLargeError, SharedPictures


class FrameForwarder:
    """The frame sink of an ingest process: frames at the server, bounded by the slots.

    Drop rule: a frame for which no slot is free is dropped as "overload". A slot is free again once
    the server has sent the end of its frame.
    """

    def __init__(self, slots: SharedPictures, send: Callable[[Message], None]) -> None:
        self._slots = slots
        self._send = send
        self._numbers = itertools.count()
        self._forwarded: dict[int, tuple[InferenceJob, int]] = {}  # by number: (job, slot)

    def offer(self, request: FrameRequest) -> None:
        """Forward a frame whose payload is an InferenceJob."""
        job = cast(InferenceJob, request.payload)
        picture = job.picture
        try:
            [slot] = self._slots.put([picture])
        except NoFreeSlotError:
            job.dropped("overload")
            return
        except PictureTooLargeError:
            job.dropped("too_large")
            return
        number = next(self._numbers)
        self._forwarded[number] = (job, slot)
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
        """Nothing to do: the server drops a closed session's frames by itself."""

    def handle_end(self, message: FrameAnswered | FrameDropped) -> None:
        """The server has answered or dropped a frame."""
        forwarded = self._forwarded.pop(message.frame, None)
        if forwarded is None:
            return
        job, slot = forwarded
        self._slots.release([slot])
        if isinstance(message, FrameDropped):
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
