"""The waiting frames placed on devices ahead of time: list scheduling, earliest deadline first.

The scheduler takes the waiting frames by deadline, gives each to the device that would end it
earliest (a busy device counts from when it is expected to be free), and lets later frames of the
same option join its batch. The batcher dispatches those batches that start now; the frames that
are missed show that everybody's variant should be cheaper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass

from edge.batching.latency_options import LatencyOption, LatencyOptions
from edge.batching.request import FrameRequest

MIN_BATCH_GAIN = 0.05  # a larger batch pays if it lowers the time a frame by this share


class WaitingFrame:
    """A frame that waits for a device, with the times between which it can be served."""

    __slots__ = ("end_by_ms", "number", "options", "request", "start_by_ms")

    def __init__(
        self,
        number: int,
        request: FrameRequest,
        options: LatencyOptions,
        end_by_ms: float,
        start_by_ms: float,
    ) -> None:
        self.number = number
        self.request = request
        self.options = options
        self.end_by_ms = end_by_ms
        """The deadline less the margin."""
        self.start_by_ms = start_by_ms
        """When the session's next frame is expected, which will supersede this one."""


@dataclass(frozen=True, slots=True)
class ScheduledBatch:
    """Frames that a device would serve together; the first has the earliest deadline."""

    device: int
    option: LatencyOption
    frames: list[WaitingFrame]
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class ListSchedule:
    """All batches in the order in which they were placed, and the frames that are not served."""

    batches: list[ScheduledBatch]
    missed: list[WaitingFrame]
    lowered: int
    """Frames with a cheaper variant than the cost limit allows, because others go before them."""

    @property
    def shortfall(self) -> tuple[int, int]:
        """Frames missed, then frames lowered: of two schedules the smaller tuple is better."""
        return len(self.missed), self.lowered

    @property
    def served(self) -> int:
        """The number of frames that are served."""
        return sum(len(batch.frames) for batch in self.batches)


def list_schedule(
    frames: Sequence[WaitingFrame],
    free_ms: Sequence[float],
    now_ms: float,
    cost_limit_ms: float,
    *,
    fill_batches: bool,
    min_batch: int = 1,
    excluded: Set[WaitingFrame] = frozenset(),
) -> ListSchedule:
    """The schedule of `frames`, which ascend by deadline, all of them but those `excluded`.

    `free_ms` is when each device can start (infinite: never), `cost_limit_ms` the device time that
    a frame may cost. With `fill_batches`, batches grow wherever that lowers the time a frame;
    without, a frame joins a batch only if no other device would end it sooner. A frame too urgent
    to be served in a batch of `min_batch` (or of all that wait, if fewer) is missed, as in Nexus'
    early drop (Shen et al., SOSP 2019, section 6.3): under overload the most urgent frame would
    otherwise keep every batch small.
    """
    scheduler = _ListScheduler(
        frames, free_ms, now_ms, cost_limit_ms, fill_batches=fill_batches, min_batch=min_batch
    )
    scheduler.queue_by_option(excluded)
    return scheduler.run()


class _OptionQueue:
    """The frames that are to be served with one option, by deadline."""

    __slots__ = ("head", "indices")

    def __init__(self) -> None:
        self.indices: list[int] = []
        """Places in the scheduler's `frames`."""
        self.head = 0
        """Place in `indices` before which every frame is placed."""


class _ListScheduler:
    """One schedule in the making."""

    __slots__ = (
        "batches",
        "cost_limit_ms",
        "fill_batches",
        "frames",
        "free_ms",
        "is_placed",
        "lowered",
        "min_batch",
        "missed",
        "now_ms",
        "option_of",
        "queues",
    )

    def __init__(
        self,
        frames: Sequence[WaitingFrame],
        free_ms: Sequence[float],
        now_ms: float,
        cost_limit_ms: float,
        *,
        fill_batches: bool,
        min_batch: int,
    ) -> None:
        self.frames = frames
        self.free_ms = list(free_ms)
        self.now_ms = now_ms
        self.cost_limit_ms = cost_limit_ms
        self.fill_batches = fill_batches
        self.min_batch = min_batch
        self.batches: list[ScheduledBatch] = []
        self.missed: list[WaitingFrame] = []
        self.lowered = 0
        self.is_placed = bytearray(len(frames))
        """For each frame, whether it was placed, missed or excluded."""
        self.option_of: list[LatencyOption] = []
        """For each frame, the option that the cost limit allows."""
        self.queues: dict[LatencyOption, _OptionQueue] = {}

    def queue_by_option(self, excluded: Set[WaitingFrame]) -> None:
        """Gives each frame its option, and each option its queue."""
        chosen: dict[LatencyOptions, LatencyOption] = {}
        for index, frame in enumerate(self.frames):
            option = chosen.get(frame.options)
            if option is None:
                option = chosen[frame.options] = frame.options.best_within(self.cost_limit_ms)
                self.queues.setdefault(option, _OptionQueue())
            self.option_of.append(option)
            if frame in excluded:
                self.is_placed[index] = 1
            else:
                self.queues[option].indices.append(index)

    def run(self) -> ListSchedule:
        """Places the queued frames, the earliest deadline first."""
        earliest_ms = min(self.free_ms)
        for index, frame in enumerate(self.frames):
            if self.is_placed[index]:
                continue
            self.is_placed[index] = 1
            start_by_ms = max(frame.start_by_ms, self.now_ms)
            if (
                earliest_ms <= start_by_ms
                and earliest_ms + frame.options.fastest_ms <= frame.end_by_ms
                and self._place(frame, self.option_of[index], start_by_ms)
            ):
                earliest_ms = min(self.free_ms)
            else:
                self.missed.append(frame)
        return ListSchedule(self.batches, self.missed, self.lowered)

    def _place(self, frame: WaitingFrame, option: LatencyOption, start_by_ms: float) -> bool:
        """Makes the frame the first of a new batch; False if no device serves it in time."""
        end_ms, device = self._soonest(option)
        if end_ms > frame.end_by_ms or self.free_ms[device] > start_by_ms:
            lowered = self._cheaper(frame, option, start_by_ms)
            if lowered is None:
                return False
            self.lowered += self.now_ms + option.fastest_ms <= frame.end_by_ms
            option, device = lowered
        members = self._batch(frame, option, device)
        if not members:
            return False
        start_ms = self.free_ms[device]
        end_ms = self.free_ms[device] = start_ms + option.batch_ms[device][len(members) - 1]
        self.batches.append(ScheduledBatch(device, option, members, start_ms, end_ms))
        return True

    def _soonest(self, option: LatencyOption) -> tuple[float, int]:
        """The earliest end of a single frame, and the device that gives it."""
        best_ms, best = math.inf, 0
        for device, (begin_ms, single_ms) in enumerate(
            zip(self.free_ms, option.single_ms, strict=True)
        ):
            if begin_ms + single_ms < best_ms:
                best_ms, best = begin_ms + single_ms, device
        return best_ms, best

    def _cheaper(
        self, frame: WaitingFrame, failed: LatencyOption, start_by_ms: float
    ) -> tuple[LatencyOption, int] | None:
        """The best of a frame's other options within the cost limit that ends in time, and its
        device."""
        limit_ms = max(self.cost_limit_ms, frame.options.cheapest.cost_ms)
        for other in frame.options.options:
            if other is not failed and other.cost_ms <= limit_ms:
                end_ms, device = self._soonest(other)
                if end_ms <= frame.end_by_ms and self.free_ms[device] <= start_by_ms:
                    return other, device
        return None

    def _batch(self, frame: WaitingFrame, option: LatencyOption, device: int) -> list[WaitingFrame]:
        """The frames of a batch that begins with `frame`; none if `min_batch` is out of reach."""
        members = [frame]
        queue = self.queues.get(option)
        if queue is None or not queue.indices:
            return members
        indices, head = queue.indices, self._head(queue)
        most = min(len(option.batch_ms[device]), 1 + len(indices) - head)
        if most <= 1:
            return members
        size = self._batch_size(frame, option, device, most)
        if size == 0:
            return []
        while len(members) < size and head < len(indices):
            index = indices[head]
            if not self.is_placed[index]:
                self.is_placed[index] = 1
                members.append(self.frames[index])
            head += 1
        return members

    def _batch_size(
        self, frame: WaitingFrame, option: LatencyOption, device: int, most: int
    ) -> int:
        """The number of frames that go together, up to `most`; 0 if `min_batch` is out of reach."""
        batch_ms, start_ms = option.batch_ms[device], self.free_ms[device]
        wanted = min(self.min_batch, most)
        if wanted > 1 and start_ms + batch_ms[wanted - 1] > frame.end_by_ms:
            return 0
        limit_ms = min(frame.end_by_ms, self._latest_end_ms(option, device)) - start_ms
        if not self.fill_batches:
            for other, single_ms in enumerate(option.single_ms):
                if other != device:
                    limit_ms = min(limit_ms, self.free_ms[other] + single_ms - start_ms)
        size, each_ms = 1, batch_ms[0]
        for batch in range(2, most + 1):
            if batch_ms[batch - 1] > limit_ms:
                break
            if batch_ms[batch - 1] / batch < each_ms * (1.0 - MIN_BATCH_GAIN):
                size, each_ms = batch, batch_ms[batch - 1] / batch
        return size

    def _latest_end_ms(self, option: LatencyOption, device: int) -> float:
        """Until when a batch may take the device without a frame of another option, which no
        other device could start in time, missing its deadline."""
        latest_end_ms = math.inf
        others_ms = min((f for d, f in enumerate(self.free_ms) if d != device), default=math.inf)
        for other, queue in self.queues.items():
            if other is not option and (head := self._head(queue)) < len(queue.indices):
                frame = self.frames[queue.indices[head]]
                latest_ms = frame.end_by_ms - frame.options.fastest_ms
                if latest_ms < others_ms:
                    latest_end_ms = min(latest_end_ms, latest_ms)
        return latest_end_ms

    def _head(self, queue: _OptionQueue) -> int:
        """The place in the queue of its most urgent frame that is not placed yet."""
        indices, head = queue.indices, queue.head
        while head < len(indices) and self.is_placed[indices[head]]:
            head += 1
        queue.head = head
        return head
