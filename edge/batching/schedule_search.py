"""The schedule to follow now: the first that misses no frame, or else the one that misses least."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence, Set

from edge.batching.device_latencies import DeviceLatencies
from edge.batching.list_schedule import ListSchedule, WaitingFrame, list_schedule
from edge.batching.load_estimator import UNFAIR, LoadEstimator
from edge.batching.mailbox import Mailbox

SEARCH_MS = 0.2  # for each waiting frame: the least time between two searches during a shortage
LARGER_BATCHES = (2, 4, 8)  # least batch sizes that are tried during a shortage


class ScheduleSearch:
    """Remembers what the latest search found, since a search costs many schedules."""

    def __init__(
        self, latencies: DeviceLatencies, load: LoadEstimator, mailbox: Mailbox, margin_ms: float
    ) -> None:
        self._latencies = latencies
        self._load = load
        self._mailbox = mailbox
        self._margin_ms = margin_ms
        self._searched_ms = -math.inf
        self._found = (math.inf, 1)
        """Cost limit and least batch size that the latest search chose."""

    def run(self, free_ms: Sequence[float], now_ms: float) -> ListSchedule:
        """The schedule for devices that can start at `free_ms` (infinite: never)."""
        trial = _Trial(
            self._latencies,
            self._load,
            self._mailbox,
            margin_ms=self._margin_ms,
            free_ms=free_ms,
            now_ms=now_ms,
        )
        cost_limit_ms, min_batch = self._load.cost_limit_ms, 1
        if now_ms - self._searched_ms < SEARCH_MS * len(trial.frames):
            cost_limit_ms, min_batch = min(cost_limit_ms, self._found[0]), self._found[1]
            schedule = trial.schedule(cost_limit_ms, min_batch)
        else:
            schedule = trial.schedule(cost_limit_ms)
            if schedule.shortfall > (0, 0):
                self._searched_ms = now_ms
                schedule, cost_limit_ms, min_batch = self._search(schedule, trial)
                self._found = cost_limit_ms, min_batch
        if schedule.missed:
            schedule = self._compensate(schedule, trial, cost_limit_ms, min_batch)
        return schedule

    def _search(self, schedule: ListSchedule, trial: _Trial) -> tuple[ListSchedule, float, int]:
        """The schedule with the highest cost limit that misses no more frames than the lowest
        would, with its cost limit and least batch size.

        Larger batches at the cost of the most urgent frames are tried afterwards, if frames are
        missed still.
        """
        cost_limit_ms, min_batch = self._load.cost_limit_ms, 1
        costs = sorted({o.cost_ms for frame in trial.frames for o in frame.options.options})
        costs = costs[: bisect_left(costs, cost_limit_ms)]
        if costs:
            cheapest = trial.schedule(costs[0])
            if cheapest.shortfall < schedule.shortfall:
                schedule, cost_limit_ms = cheapest, costs[0]
                low, high = 1, len(costs)
                while low < high:
                    middle = (low + high) // 2
                    candidate = trial.schedule(costs[middle])
                    if candidate.shortfall <= cheapest.shortfall:
                        schedule, cost_limit_ms, low = candidate, costs[middle], middle + 1
                    else:
                        high = middle
        for size in LARGER_BATCHES:
            if not schedule.missed or size > min(len(trial.frames), self._latencies.max_batch):
                break
            candidate = trial.schedule(cost_limit_ms, size)
            if candidate.served > schedule.served:
                schedule, min_batch = candidate, size
        return schedule, cost_limit_ms, min_batch

    def _compensate(
        self, schedule: ListSchedule, trial: _Trial, cost_limit_ms: float, min_batch: int
    ) -> ListSchedule:
        """Leaves out a frame of a well-served session where that serves one of a session which
        recently lost clearly more."""
        for missed in sorted(schedule.missed, key=self._service)[:2]:
            excluded: set[WaitingFrame] = set()
            ahead = [
                frame
                for batch in schedule.batches
                for frame in batch.frames
                if frame.end_by_ms <= missed.end_by_ms
            ]
            for served in sorted(ahead, key=self._service, reverse=True)[:2]:
                if self._service(served) < self._service(missed) + UNFAIR:
                    break
                excluded.add(served)
                candidate = trial.schedule(cost_limit_ms, min_batch, excluded)
                if missed not in candidate.missed and candidate.served >= schedule.served - 1:
                    return candidate
        return schedule

    def _service(self, frame: WaitingFrame) -> float:
        return self._load.service(frame.request.session)


class _Trial:
    """Schedules of the same moment with other limits."""

    def __init__(
        self,
        latencies: DeviceLatencies,
        load: LoadEstimator,
        mailbox: Mailbox,
        *,
        margin_ms: float,
        free_ms: Sequence[float],
        now_ms: float,
    ) -> None:
        self._latencies = latencies
        self._load = load
        self._mailbox = mailbox
        self._margin_ms = margin_ms
        self._free_ms = free_ms
        self._now_ms = now_ms
        self._horizon = 2 * latencies.max_batch * sum(latencies.live) + 16
        self.frames = mailbox.by_deadline(self._horizon)
        self._options = {frame.options for frame in self.frames}
        for options in self._options:
            latencies.refresh(options)

    def schedule(
        self,
        cost_limit_ms: float,
        min_batch: int = 1,
        excluded: Set[WaitingFrame] = frozenset(),
    ) -> ListSchedule:
        """The schedule with this cost limit and least batch size, without the excluded frames."""
        frames = self.frames
        if min_batch > 1:  # look past the frames that are too urgent for such a batch
            frames = self._mailbox.by_deadline(
                self._horizon, self._earliest_deadline_ms(cost_limit_ms, min_batch)
            )
            for frame in frames:
                self._latencies.refresh(frame.options)
        return list_schedule(
            frames,
            self._free_ms,
            self._now_ms,
            cost_limit_ms,
            fill_batches=self._load.is_busy or cost_limit_ms < self._load.cost_limit_ms,
            min_batch=min_batch,
            excluded=excluded,
        )

    def _earliest_deadline_ms(self, cost_limit_ms: float, min_batch: int) -> float:
        """The earliest deadline that a batch of that size could meet."""
        batch_ms = min(
            each[min(min_batch, len(each)) - 1]
            for options in self._options
            for each in options.best_within(cost_limit_ms).batch_ms
        )
        return min(self._free_ms) + batch_ms + self._margin_ms
