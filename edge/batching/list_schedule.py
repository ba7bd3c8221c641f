"""What would become of the waiting frames: earliest-deadline-first list scheduling, ahead of time.

A rollout takes the waiting frames by deadline, gives each to the device that ends it earliest (a
busy device counts from when it will be free), and lets later frames with the same option join its
batch. Its batches that start now are what the batcher dispatches; its missed frames tell whether
everybody should take something cheaper first.
"""

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass

from edge.batching.latency_options import LatencyOptions, Option
from edge.batching.request import FrameRequest

GAIN = 0.05  # a batch pays if it lowers the time an image takes by this part


class Slot:
    """A waiting frame."""

    __slots__ = ("end_by_ms", "menu", "number", "request", "start_by_ms")

    def __init__(
        self,
        number: int,
        request: FrameRequest,
        menu: LatencyOptions,
        end_by_ms: float,
        start_by_ms: float,
    ) -> None:
        self.number = number
        self.request = request
        self.menu = menu
        self.end_by_ms = end_by_ms
        """The deadline less the margin."""
        self.start_by_ms = start_by_ms
        """When the session's next frame is expected, which will push this one out."""


@dataclass(frozen=True, slots=True)
class ScheduledBatch:
    """Frames that a device would serve together; the first has the earliest deadline."""

    device: int
    option: Option
    slots: list[Slot]
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class ListSchedule:
    """All batches in the order they were placed, and the frames that no device ends in time."""

    batches: list[ScheduledBatch]
    missed: list[Slot]
    lowered: int
    """Frames that got less than `cap_ms` allows only because others go before them."""

    @property
    def hurt(self) -> tuple[int, int]:
        """What a dearer ration than could be afforded does; the less the better."""
        return len(self.missed), self.lowered

    @property
    def served(self) -> int:
        """How many frames it serves."""
        return sum(len(batch.slots) for batch in self.batches)


def list_schedule(
    slots: Sequence[Slot],
    free_ms: Sequence[float],
    now_ms: float,
    cap_ms: float,
    *,
    fill: bool,
    least: int = 1,
    skip: Set[Slot] = frozenset(),
) -> ListSchedule:
    """Serves `slots`, which ascend by deadline, on paper.

    `free_ms` says when each device can start (infinite: never), `cap_ms` what device time a frame
    may cost. With `fill`, batches grow wherever that pays; without, a frame joins a batch only if
    no other device would end it sooner. A frame too urgent to be served along with `least` others
    (itself included, if so many wait) is missed, as in Nexus' early drop (Shen et al., SOSP 2019,
    section 6.3): under overload the most urgent frame would else make every batch a small one.
    `skip` are slots to leave out.
    """
    free = list(free_ms)
    batches: list[ScheduledBatch] = []
    missed: list[Slot] = []
    chosen: dict[LatencyOptions, Option] = {}
    options: list[Option] = []
    queues: dict[Option, list[int]] = {}
    taken = bytearray(len(slots))
    for index, slot in enumerate(slots):
        option = chosen.get(slot.menu)
        if option is None:
            option = chosen[slot.menu] = slot.menu.pick(cap_ms)
            queues.setdefault(option, [])
        options.append(option)
        if slot in skip:
            taken[index] = 1
        else:
            queues[option].append(index)
    heads = dict.fromkeys(queues, 0)
    earliest_ms = min(free)
    lowered_count = 0

    def soonest(option: Option) -> tuple[float, int]:
        best_ms, best = math.inf, 0
        for device, (begin_ms, single_ms) in enumerate(zip(free, option.singles, strict=True)):
            if begin_ms + single_ms < best_ms:
                best_ms, best = begin_ms + single_ms, device
        return best_ms, best

    def head_of(option: Option) -> int:
        """The most urgent frame left with this option: its place in the option's queue."""
        queue, head = queues[option], heads[option]
        while head < len(queue) and taken[queue[head]]:
            head += 1
        heads[option] = head
        return head

    def guard(option: Option, device: int) -> float:
        """How long a batch may take a device without costing the next frames of other kinds."""
        guard_ms = math.inf
        others_ms = min((f for d, f in enumerate(free) if d != device), default=math.inf)
        for other, queue in queues.items():
            if other is not option and (head := head_of(other)) < len(queue):
                slot = slots[queue[head]]
                latest_ms = slot.end_by_ms - slot.menu.fastest_ms
                if latest_ms < others_ms:
                    guard_ms = min(guard_ms, latest_ms)
        return guard_ms

    def lower(slot: Slot, failed: Option, start_by_ms: float) -> tuple[Option, int] | None:
        """The best of a frame's other options, none dearer than allowed, that ends in time."""
        most_ms = max(cap_ms, slot.menu.cheapest.cost_ms)
        for other in slot.menu.options:
            if other is not failed and other.cost_ms <= most_ms:
                end_ms, device = soonest(other)
                if end_ms <= slot.end_by_ms and free[device] <= start_by_ms:
                    return other, device
        return None

    def size_of(slot: Slot, option: Option, device: int, most: int) -> int:
        """How many frames go together; 0 if `least` is out of reach."""
        row, start_ms = option.rows[device], free[device]
        wanted = min(least, most)
        if wanted > 1 and start_ms + row[wanted - 1] > slot.end_by_ms:
            return 0
        limit_ms = min(slot.end_by_ms, guard(option, device)) - start_ms
        if not fill:
            for d, single_ms in enumerate(option.singles):
                if d != device:
                    limit_ms = min(limit_ms, free[d] + single_ms - start_ms)
        size, each_ms = 1, row[0]
        for batch in range(2, most + 1):
            if row[batch - 1] > limit_ms:
                break
            if row[batch - 1] / batch < each_ms * (1.0 - GAIN):
                size, each_ms = batch, row[batch - 1] / batch
        return size

    for index, slot in enumerate(slots):
        if taken[index]:
            continue
        taken[index] = 1
        start_by_ms = max(slot.start_by_ms, now_ms)
        if earliest_ms > start_by_ms or earliest_ms + slot.menu.fastest_ms > slot.end_by_ms:
            missed.append(slot)
            continue
        option = options[index]
        end_ms, device = soonest(option)
        if end_ms > slot.end_by_ms or free[device] > start_by_ms:
            lowered = lower(slot, option, start_by_ms)
            if lowered is None:
                missed.append(slot)
                continue
            lowered_count += now_ms + option.fastest_ms <= slot.end_by_ms
            option, device = lowered
        row, members, size = option.rows[device], [slot], 1
        queue = queues.get(option, [])
        head = head_of(option) if queue else 0
        most = min(len(row), 1 + len(queue) - head)
        if most > 1:
            size = size_of(slot, option, device, most)
            if size == 0:
                missed.append(slot)
                continue
        while len(members) < size and head < len(queue):
            if not taken[queue[head]]:
                taken[queue[head]] = 1
                members.append(slots[queue[head]])
            head += 1
        start_ms = free[device]
        free[device] = start_ms + row[len(members) - 1]
        batches.append(ScheduledBatch(device, option, members, start_ms, free[device]))
        earliest_ms = min(free)
    return ListSchedule(batches, missed, lowered_count)
