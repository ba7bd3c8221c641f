"""Which frames run together, on which device, with which variant, and when.

Earliest deadline first, the newest frame a session, and the one before it where there is time for
both. The order of what gives way as load grows:

1. An idle device serves a frame at once, by itself, with its best variant.
2. As devices get busy, frames of one kind go in batches wherever the profile says that batches
   pay, and a device may wait for the next frame of the kind, if it is expected soon enough to save
   more than the wait costs and the wait costs no deadline.
3. Beyond 92 % load, the cost that a frame may have is rationed: one number for all sessions
   (`edge.batching.load_estimator`), so that everybody's variant falls, the dearest first, before a
   frame is lost.
4. When those waiting can't all be met (a burst, a device lost), they fall further, together, until
   they can; a single frame whose slack shrank falls by itself.
5. Only then are frames lost. By deadlines alone it would always be the same sessions': at equal
   rates the one with the shorter slack goes first each time, and the other's frame is superseded
   before its turn; and a frame with little slack finds the device taken by one with much. So a
   frame that is about to be lost takes the place of one whose session was clearly better served
   lately, and a lone device is kept free for the next frame of a session that keeps losing.

Nothing is dispatched that would not end in time by the profile's 99th percentiles, save one frame
on an idle device, as long as load is low, that the fastest network's median would bring home.
"""

import heapq
import itertools
import math
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence, Set

from edge.batching.latency_options import LatencyOptions, LatencyOptionsCache
from edge.batching.list_schedule import GAIN, ListSchedule, ScheduledBatch, Slot, list_schedule
from edge.batching.load_estimator import UNFAIR, LoadEstimator
from edge.batching.request import Decision, Dispatch, Drop, FrameRequest, Reason
from edge.profile.latency import LatencyProfile

__all__ = ["Batcher", "Decision", "Dispatch", "Drop", "FrameRequest", "Reason"]

SETTLE_MS = 50.0
SEARCH_MS = 0.2  # a waiting frame: how often a shortage is looked into thoroughly
OVERDUE_MS = 1.0  # when a batch that should have ended by now is taken to end
NEXT_MS = 0.5  # the least wait for `wake_ms`


class Batcher:
    """Pure: time is an argument, in server-monotonic ms, and never goes back.

    Holds at most one frame a session (newest wins, the older one is dropped as `superseded`), or
    two where there is time for both, and one batch in flight a device. Every request put in comes
    out once, dispatched or dropped.
    """

    def __init__(
        self, profiles: Sequence[LatencyProfile], max_batch: int = 8, margin_ms: float = 2.0
    ) -> None:
        if not profiles:
            raise ValueError("no device")
        self._menus = LatencyOptionsCache(profiles, max_batch)
        self._load = LoadEstimator(self._menus)
        self._margin_ms = margin_ms
        self._slots: dict[str, Slot] = {}
        """Each session's newest frame."""
        self._spared: dict[str, Slot] = {}
        """The one before, where there was time for both."""
        self._queue: list[tuple[float, int, Slot]] = []
        """The same by deadline."""
        self._hopeless: list[tuple[float, int, Slot]] = []
        """A heap of when each will be beyond help; holds stale ones until they come up."""
        self._numbers = itertools.count()
        self._busy_until_ms: list[float | None] = [None] * len(profiles)
        self._held: dict[int, tuple[FrameRequest, float]] = {}
        self._settled_ms = -math.inf
        self._searched_ms = -math.inf
        self._found = (math.inf, 1)
        """Ration and least batch that the last thorough search settled on."""

    @property
    def waiting(self) -> int:
        """Frames in the mailboxes."""
        return len(self._queue)

    @property
    def load(self) -> LoadEstimator:
        """Arrival rates and the current ration."""
        return self._load

    # What happens

    def put(self, request: FrameRequest, now_ms: float) -> list[Drop]:
        """Takes a frame; says which frames that loses: an older one of its session, or itself."""
        self._settle(now_ms)
        menu = self._menus.of(request.variants, request.size)
        if menu is None:
            return [Drop(request, "no_plan")]
        end_by_ms = request.deadline_ms - self._margin_ms
        session = request.session
        self._load.note(session, menu, request.ready_ms, end_by_ms - request.ready_ms)
        fastest_ms = menu.fastest_ms if any(self._menus.live) else 0.0
        if request.ready_ms + fastest_ms > end_by_ms:
            if not self._may_try(request, menu, now_ms):
                return [Drop(request, "late")]
            end_by_ms = now_ms + fastest_ms + NEXT_MS
        drops = self._make_way(session, end_by_ms - fastest_ms, now_ms)
        number = next(self._numbers)
        slot = Slot(number, request, menu, end_by_ms, self._load.next_ms(session))
        self._slots[session] = slot
        insort(self._queue, (request.deadline_ms, number, slot))
        heapq.heappush(self._hopeless, (end_by_ms - fastest_ms, number, slot))
        if len(self._hopeless) > 4 * len(self._queue) + 64:
            self._hopeless = [e for e in self._hopeless if self._is_waiting(e[2])]
            heapq.heapify(self._hopeless)
        return drops

    def done(self, device: int, now_ms: float) -> None:
        """The device's batch came back, or failed."""
        self._busy_until_ms[device] = None
        self._settle(now_ms)

    def lost(self, device: int) -> None:
        """The device can't take batches; what it had in flight is the caller's to answer for."""
        self._busy_until_ms[device] = None
        self._set_live(device, False)

    def ready(self, device: int, profile: LatencyProfile | None = None) -> None:
        """The device is idle and can take batches (again), perhaps with another profile."""
        self._busy_until_ms[device] = None
        if profile is not None:
            self._menus.replace(device, profile)
        self._set_live(device, True)

    def remove(self, session: str) -> list[Drop]:
        """The session is gone: its waiting frame comes back as `no_plan`."""
        slots = [kept[session] for kept in (self._spared, self._slots) if session in kept]
        drops = [self._drop(slot, "no_plan") for slot in slots]
        self._load.forget(session)
        return drops

    def next(self, now_ms: float) -> Decision:
        """What to start and what to give up now; to be called after every other call."""
        self._settle(now_ms)
        drops = self._give_up(now_ms)
        dispatches: list[Dispatch] = []
        wake_ms = math.inf
        if self._queue and any(map(self._is_idle, range(len(self._busy_until_ms)))):
            plan = self._choose(now_ms)
            for batch in plan.batches:
                if batch.start_ms > now_ms or not self._is_idle(batch.device):
                    continue
                hold_ms = self._reserve_until(batch, now_ms)
                if hold_ms <= now_ms:
                    hold_ms = self._hold_until(batch, plan, now_ms)
                if hold_ms > now_ms:
                    wake_ms = min(wake_ms, hold_ms)
                else:
                    dispatches.append(self._dispatch(batch))
        while self._hopeless and not self._is_waiting(self._hopeless[0][2]):
            heapq.heappop(self._hopeless)
        if self._hopeless:
            wake_ms = min(wake_ms, self._hopeless[0][0])
        return Decision(
            tuple(dispatches),
            tuple(drops),
            None if math.isinf(wake_ms) else max(wake_ms, now_ms + NEXT_MS),
        )

    # How it is decided

    def _choose(self, now_ms: float) -> ListSchedule:
        """The rollout to follow: the first that loses nobody, or else that loses the fewest."""
        horizon = 2 * self._menus.max_batch * sum(self._menus.live) + 16
        slots = [entry[2] for entry in self._queue[:horizon]]
        menus = {slot.menu for slot in slots}
        for menu in menus:
            self._menus.sync(menu)
        free = [self._free_ms(device, now_ms) for device in range(len(self._busy_until_ms))]

        def attempt(cap_ms: float, least: int, skip: Set[Slot] = frozenset()) -> ListSchedule:
            window = slots
            if least > 1:  # who is too urgent for such a batch shall not hide those who are not
                rows = [row for menu in menus for row in menu.pick(cap_ms).rows]
                needed_ms = min(row[min(least, len(row)) - 1] for row in rows)
                from_ms = min(free) + needed_ms + self._margin_ms
                start = bisect_left(self._queue, from_ms, key=lambda entry: entry[0])
                window = [entry[2] for entry in self._queue[start : start + horizon]]
                for slot in window:
                    self._menus.sync(slot.menu)
            fill = self._load.busy or cap_ms < self._load.cap_ms
            return list_schedule(window, free, now_ms, cap_ms, fill=fill, least=least, skip=skip)

        cap_ms, least = self._load.cap_ms, 1
        if now_ms - self._searched_ms < SEARCH_MS * len(slots):
            cap_ms, least = min(cap_ms, self._found[0]), self._found[1]
            plan = attempt(cap_ms, least)
        else:
            plan = attempt(cap_ms, 1)
            if plan.hurt > (0, 0):
                self._searched_ms = now_ms
                plan = self._search(plan, slots, attempt)
                cap_ms, least = self._found
        if plan.missed:
            plan = self._be_fair(plan, lambda skip: attempt(cap_ms, least, skip))
        return plan

    def _search(
        self, plan: ListSchedule, slots: list[Slot], attempt: Callable[[float, int], ListSchedule]
    ) -> ListSchedule:
        """Looks for the dearest ration that loses no more than the cheapest would, then whether
        giving up the most urgent frames for the sake of larger batches saves more than it loses."""
        cap_ms, least = self._load.cap_ms, 1
        costs = sorted({o.cost_ms for slot in slots for o in slot.menu.options})
        costs = costs[: bisect_left(costs, cap_ms)]
        if costs:
            best = attempt(costs[0], 1)
            if best.hurt < plan.hurt:
                plan, cap_ms = best, costs[0]
                low, high = 1, len(costs)
                while low < high:
                    middle = (low + high) // 2
                    trial = attempt(costs[middle], 1)
                    if trial.hurt <= best.hurt:
                        plan, cap_ms, low = trial, costs[middle], middle + 1
                    else:
                        high = middle
        for wanted in (2, 4, 8):
            if not plan.missed or wanted > min(len(slots), self._menus.max_batch):
                break
            trial = attempt(cap_ms, wanted)
            if trial.served > plan.served:
                plan, least = trial, wanted
        self._found = (cap_ms, least)
        return plan

    def _be_fair(
        self, plan: ListSchedule, again: Callable[[Set[Slot]], ListSchedule]
    ) -> ListSchedule:
        """Lets a session that lost much lately go in place of one that lost little."""
        for poor in sorted(plan.missed, key=self._share)[:2]:
            skip: set[Slot] = set()
            ahead = [s for b in plan.batches for s in b.slots if s.end_by_ms <= poor.end_by_ms]
            for rich in sorted(ahead, key=self._share, reverse=True)[:2]:
                if self._share(rich) < self._share(poor) + UNFAIR:
                    break
                skip.add(rich)
                trial = again(skip)
                if poor not in trial.missed and trial.served >= plan.served - 1:
                    return trial
        return plan

    def _reserve_until(self, batch: ScheduledBatch, now_ms: float) -> float:
        """Until when the device should stay free for a frame of a session that keeps losing."""
        if sum(self._menus.live) > 1:
            return now_ms  # another device will take it
        share = min(map(self._share, batch.slots))
        until_ms = self._load.reserved_ms(share, now_ms, batch.end_ms)
        return now_ms if until_ms is None else until_ms

    def _hold_until(self, batch: ScheduledBatch, plan: ListSchedule, now_ms: float) -> float:
        """Until when the device should wait for another frame to join; `now_ms` if not at all."""
        size, device, option = len(batch.slots), batch.device, batch.option
        row = option.rows[device]
        rate = self._load.rate(option)
        if not self._load.busy or size >= len(row) or rate <= 0.0:
            return now_ms
        if row[size] / (size + 1) >= row[size - 1] / size * (1.0 - GAIN):
            return now_ms
        if any(b.device == device and b is not batch for b in plan.batches):
            return now_ms
        # A frame that joins saves what it would have taken by itself, and costs the wait for it.
        saved_ms = row[size - 1] + row[0] - row[size]
        if 1.0 / rate > saved_ms / 2.0:
            return now_ms
        seed = batch.slots[0].request
        held, since_ms = self._held.get(device, (None, now_ms))
        if held is not seed:
            since_ms = now_ms
            self._held[device] = (seed, now_ms)
        latest_ms = min(s.end_by_ms for s in batch.slots) - row[size]
        latest_ms = min([latest_ms, *(s.start_by_ms for s in batch.slots)])
        until_ms = min(since_ms + saved_ms, latest_ms)
        return until_ms if until_ms >= now_ms + NEXT_MS else now_ms

    # Bookkeeping

    def _make_way(self, session: str, start_by_ms: float, now_ms: float) -> list[Drop]:
        """A new frame of the session is here, to be started by a time: what that loses.

        The one that waits gives way, unless nothing is rationed and a device will be free in time
        for both: after a link's stall frames come close together. Two at most wait.
        """
        older = self._slots.get(session)
        if older is None:
            return []
        drops = []
        if session in self._spared:
            drops.append(self._drop(self._spared[session], "superseded"))
        free_ms = min(self._free_ms(device, now_ms) for device in range(len(self._busy_until_ms)))
        older_ms = free_ms + older.menu.fastest_ms
        if math.isinf(self._load.cap_ms) and older_ms <= min(older.end_by_ms, start_by_ms):
            older.start_by_ms = self._load.next_ms(session)
            self._spared[session] = self._slots.pop(session)
        else:
            drops.append(self._drop(older, "superseded"))
        return drops

    def _may_try(self, request: FrameRequest, menu: LatencyOptions, now_ms: float) -> bool:
        """Whether a frame that may well be late has an even chance, on a device with time for it.

        The fastest network's median must fit, at once, and without the margin.
        """
        is_free = any(map(self._is_idle, range(len(self._busy_until_ms))))
        in_time = now_ms + menu.typical_ms <= request.deadline_ms
        return is_free and in_time and not self._load.busy

    def _settle(self, now_ms: float) -> None:
        if now_ms - self._settled_ms >= SETTLE_MS:
            self._settled_ms = now_ms
            self._menus.settle(now_ms)
            self._load.refresh(now_ms)
        else:
            self._menus.check()

    def _set_live(self, device: int, live: bool) -> None:
        if self._menus.live[device] != live:
            self._menus.live[device] = live
            self._menus.touch()
        self._held.pop(device, None)

    def _is_idle(self, device: int) -> bool:
        return self._menus.live[device] and self._busy_until_ms[device] is None

    def _is_waiting(self, slot: Slot) -> bool:
        session = slot.request.session
        return self._slots.get(session) is slot or self._spared.get(session) is slot

    def _free_ms(self, device: int, now_ms: float) -> float:
        if not self._menus.live[device]:
            return math.inf
        until_ms = self._busy_until_ms[device]
        return now_ms if until_ms is None else max(until_ms, now_ms + OVERDUE_MS)

    def _share(self, slot: Slot) -> float:
        return self._load.share(slot.request.session)

    def _give_up(self, now_ms: float) -> list[Drop]:
        """Drops what can't end in time any more, whatever becomes free."""
        drops = []
        while self._hopeless and self._hopeless[0][0] < now_ms:
            _, number, slot = heapq.heappop(self._hopeless)
            if not self._is_waiting(slot):
                continue
            self._menus.sync(slot.menu)
            fastest_ms = slot.menu.fastest_ms if any(self._menus.live) else 0.0
            latest_ms = slot.end_by_ms - fastest_ms
            if latest_ms >= now_ms:  # the profile has become faster
                heapq.heappush(self._hopeless, (latest_ms, number, slot))
            else:
                self._load.score(slot.request.session, False)
                drops.append(self._drop(slot, "overload" if any(self._menus.live) else "no_plan"))
        return drops

    def _take(self, slot: Slot) -> None:
        session = slot.request.session
        kept = self._slots if self._slots.get(session) is slot else self._spared
        del kept[session]
        key = (slot.request.deadline_ms, slot.number)
        del self._queue[bisect_left(self._queue, key, key=lambda entry: entry[:2])]

    def _drop(self, slot: Slot, reason: Reason) -> Drop:
        self._take(slot)
        if reason == "superseded":
            self._load.score(slot.request.session, False)
        return Drop(slot.request, reason)

    def _dispatch(self, batch: ScheduledBatch) -> Dispatch:
        for slot in batch.slots:
            self._take(slot)
            self._load.score(slot.request.session, True)
        self._busy_until_ms[batch.device] = batch.end_ms
        self._held.pop(batch.device, None)
        return Dispatch(
            batch.device,
            batch.option.variant,
            batch.option.input_size,
            tuple(slot.request for slot in batch.slots),
            batch.end_ms,
        )
