"""The frames that wait for a device: at most two a session, by deadline."""

from __future__ import annotations

import heapq
import itertools
import math
from bisect import bisect_left, insort

from edge.batching.latency_options import LatencyOptions
from edge.batching.list_schedule import WaitingFrame
from edge.batching.request import FrameRequest


class Mailbox:
    """Each session's newest frame, and the one before it where the batcher keeps both."""

    def __init__(self) -> None:
        self._newest: dict[str, WaitingFrame] = {}
        self._older: dict[str, WaitingFrame] = {}
        self._by_deadline: list[tuple[float, int, WaitingFrame]] = []
        self._expiries: list[tuple[float, int, WaitingFrame]] = []
        """A heap of (latest start, number, frame); frames that no longer wait are skipped."""
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._by_deadline)

    def __contains__(self, frame: WaitingFrame) -> bool:
        session = frame.request.session
        return self._newest.get(session) is frame or self._older.get(session) is frame

    def newest(self, session: str) -> WaitingFrame | None:
        """The session's newest frame."""
        return self._newest.get(session)

    def older(self, session: str) -> WaitingFrame | None:
        """The session's frame before its newest, if both wait."""
        return self._older.get(session)

    def put(
        self,
        request: FrameRequest,
        options: LatencyOptions,
        *,
        end_by_ms: float,
        latest_start_ms: float,
        superseded_ms: float,
    ) -> None:
        """Adds a frame that becomes its session's newest; the caller has made room for it.

        It must end by `end_by_ms`, expires at `latest_start_ms`, and is expected to be superseded
        at `superseded_ms`.
        """
        number = next(self._numbers)
        frame = WaitingFrame(number, request, options, end_by_ms, superseded_ms)
        self._newest[request.session] = frame
        insort(self._by_deadline, (request.deadline_ms, number, frame))
        self.expire_at(frame, latest_start_ms)
        if len(self._expiries) > 4 * len(self._by_deadline) + 64:
            self._expiries = [entry for entry in self._expiries if entry[2] in self]
            heapq.heapify(self._expiries)

    def keep_both(self, session: str) -> None:
        """Makes the session's newest frame its older one, before another is put in."""
        self._older[session] = self._newest.pop(session)

    def remove(self, frame: WaitingFrame) -> None:
        """Takes a waiting frame out: it is dispatched or dropped."""
        session = frame.request.session
        frames = self._newest if self._newest.get(session) is frame else self._older
        del frames[session]
        key = (frame.request.deadline_ms, frame.number)
        del self._by_deadline[bisect_left(self._by_deadline, key, key=lambda entry: entry[:2])]

    def by_deadline(self, count: int, from_ms: float = -math.inf) -> list[WaitingFrame]:
        """The first frames, `count` at most, with a deadline of `from_ms` or later."""
        start = bisect_left(self._by_deadline, from_ms, key=lambda entry: entry[0])
        return [entry[2] for entry in self._by_deadline[start : start + count]]

    def expire_at(self, frame: WaitingFrame, latest_start_ms: float) -> None:
        """The frame is to come out of `pop_expired` once this time has passed."""
        heapq.heappush(self._expiries, (latest_start_ms, frame.number, frame))

    def pop_expired(self, now_ms: float) -> WaitingFrame | None:
        """A waiting frame whose latest start has passed, each once; it still waits."""
        while self._expiries and self._expiries[0][0] < now_ms:
            frame = heapq.heappop(self._expiries)[2]
            if frame in self:
                return frame
        return None

    @property
    def next_expiry_ms(self) -> float:
        """The time at which the next waiting frame expires; infinite if none waits."""
        while self._expiries and self._expiries[0][2] not in self:
            heapq.heappop(self._expiries)
        return self._expiries[0][0] if self._expiries else math.inf
