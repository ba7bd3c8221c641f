"""Decides which frames run together, on which device, with which variant, and when.

Earliest deadline first; of each session the newest frame, and the one before it where there is time
for both. As load grows, the batcher gives up quality in this order:

1. An idle device serves a frame at once, by itself, with its best variant.
2. As devices get busy, frames of the same option go in batches wherever the profile says that this
   lowers the time a frame. A device may wait for the next frame of the option, if that is expected
   soon enough to save more than the wait costs and the wait makes no frame miss its deadline.
3. Beyond 92 % load, the device time that a frame may cost is limited: one number for all sessions
   (`edge.batching.load_estimator`), so that everybody's variant falls, the most expensive first,
   before a frame is lost.
4. When the waiting frames can't all be served in time (a burst, a device lost), their variants fall
   further, together, until they can; a single frame whose slack shrank falls by itself.
5. Only then are frames lost. Deadlines alone would always choose the same sessions to lose: of two
   sessions at equal rates, the one with the shorter slack goes first each time, and the other's
   frame is superseded before its turn; a frame with little slack finds the device busy with one
   that has much. So a frame that is about to be lost takes the place of one whose session was
   clearly better served recently, and a lone device is kept free for the next frame of a session
   that keeps losing frames.

Nothing is dispatched that would miss its deadline by the profile's 99th percentiles, with one
exception: while load is low, a frame on an idle device that would make it by the median latency of
the fastest variant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge.batching.device_latencies import DeviceLatencies
from edge.batching.latency_options import LatencyOptions
from edge.batching.list_schedule import (
    MIN_BATCH_GAIN,
    ListSchedule,
    ScheduledBatch,
    WaitingFrame,
)
from edge.batching.load_estimator import LoadEstimator
from edge.batching.mailbox import Mailbox
from edge.batching.request import Decision, Dispatch, Drop, FrameRequest, Reason
from edge.batching.schedule_search import ScheduleSearch
from edge.profile.latency import LatencyProfile

__all__ = ["Batcher", "Decision", "Dispatch", "Drop", "FrameRequest", "Reason"]

UPDATE_MS = 50.0  # between two updates of latencies and load
OVERDUE_MS = 1.0  # an overdue batch is expected to end this much later
MIN_WAKE_MS = 0.5  # the least time until `wake_ms`


class Batcher:
    """Pure: time is an argument, in server-monotonic ms, and never goes back.

    Holds at most one frame a session (the newest wins, the older one is dropped as `superseded`),
    or two where there is time for both, and one batch in flight a device. Every request put in is
    answered once, dispatched or dropped.
    """

    def __init__(
        self, profiles: Sequence[LatencyProfile], max_batch: int = 8, margin_ms: float = 2.0
    ) -> None:
        if not profiles:
            raise ValueError("no device")
        self._latencies = DeviceLatencies(profiles, max_batch)
        self._load = LoadEstimator(self._latencies)
        self._margin_ms = margin_ms
        self._mailbox = Mailbox()
        self._search = ScheduleSearch(self._latencies, self._load, self._mailbox, margin_ms)
        self._busy_until_ms: list[float | None] = [None] * len(profiles)
        """When each device's batch is expected to end; None if the device is idle."""
        self._filling: dict[int, tuple[FrameRequest, float]] = {}
        """For each device that waits to fill a batch, its first frame and since when it waits."""
        self._updated_ms = -math.inf

    @property
    def waiting(self) -> int:
        """Frames in the mailboxes."""
        return len(self._mailbox)

    @property
    def load(self) -> LoadEstimator:
        """Arrival rates and the current cost limit."""
        return self._load

    # Events

    def put(self, request: FrameRequest, now_ms: float) -> list[Drop]:
        """Takes a frame; returns those that are dropped: older ones of its session, or itself."""
        self._update(now_ms)
        options = self._latencies.options(request.variants, request.size)
        if options is None:
            return [Drop(request, "no_plan")]
        end_by_ms = request.deadline_ms - self._margin_ms
        session = request.session
        self._load.observe(session, options, request.ready_ms, end_by_ms - request.ready_ms)
        fastest_ms = self._fastest_ms(options)
        if request.ready_ms + fastest_ms > end_by_ms:  # unschedulable
            if not self._has_even_chance(request, options, now_ms):
                return [Drop(request, "late")]
            end_by_ms = now_ms + fastest_ms + MIN_WAKE_MS
        latest_start_ms = end_by_ms - fastest_ms
        drops = self._supersede(session, latest_start_ms, now_ms)
        self._mailbox.put(
            request,
            options,
            end_by_ms=end_by_ms,
            latest_start_ms=latest_start_ms,
            superseded_ms=self._load.next_ms(session),
        )
        return drops

    def done(self, device: int, now_ms: float) -> None:
        """The device's batch came back, or failed."""
        self._busy_until_ms[device] = None
        self._update(now_ms)

    def lost(self, device: int) -> None:
        """The device can't take batches; the caller answers for the batch that it had."""
        self._busy_until_ms[device] = None
        self._set_live(device, False)

    def ready(self, device: int, profile: LatencyProfile | None = None) -> None:
        """The device is idle and can take batches (again), perhaps with another profile."""
        self._busy_until_ms[device] = None
        if profile is not None:
            self._latencies.replace(device, profile)
        self._set_live(device, True)

    def remove(self, session: str) -> list[Drop]:
        """The session is gone: its waiting frames are dropped as `stopped`."""
        waiting = (self._mailbox.older(session), self._mailbox.newest(session))
        drops = [self._drop(frame, "stopped") for frame in waiting if frame is not None]
        self._load.forget(session)
        return drops

    def next(self, now_ms: float) -> Decision:
        """The batches to start and the frames to drop now; to be called after every other call."""
        self._update(now_ms)
        drops = self._drop_expired(now_ms)
        dispatches: list[Dispatch] = []
        wake_ms = math.inf
        if self._mailbox and any(map(self._is_idle, range(len(self._busy_until_ms)))):
            free_ms = [self._free_ms(device, now_ms) for device in range(len(self._busy_until_ms))]
            schedule = self._search.run(free_ms, now_ms)
            for batch in schedule.batches:
                if batch.start_ms > now_ms or not self._is_idle(batch.device):
                    continue
                wait_ms = self._reserve_until_ms(batch, now_ms)
                if wait_ms <= now_ms:
                    wait_ms = self._fill_until_ms(batch, schedule, now_ms)
                if wait_ms > now_ms:
                    wake_ms = min(wake_ms, wait_ms)
                else:
                    dispatches.append(self._dispatch(batch))
        wake_ms = min(wake_ms, self._mailbox.next_expiry_ms)
        return Decision(
            tuple(dispatches),
            tuple(drops),
            None if math.isinf(wake_ms) else max(wake_ms, now_ms + MIN_WAKE_MS),
        )

    # Waiting with an idle device

    def _reserve_until_ms(self, batch: ScheduledBatch, now_ms: float) -> float:
        """Until when the device should stay free for a frame of a session that keeps losing."""
        if sum(self._latencies.live) > 1:
            return now_ms  # another device will take it
        service = min(self._load.service(frame.request.session) for frame in batch.frames)
        until_ms = self._load.reserve_until_ms(service, now_ms, batch.end_ms)
        return now_ms if until_ms is None else until_ms

    def _fill_until_ms(self, batch: ScheduledBatch, schedule: ListSchedule, now_ms: float) -> float:
        """Until when the device should wait for another frame to join; `now_ms` if not at all."""
        size, device, option = len(batch.frames), batch.device, batch.option
        batch_ms = option.batch_ms[device]
        rate = self._load.rate(option)
        if not self._load.is_busy or size >= len(batch_ms) or rate <= 0.0:
            return now_ms
        if batch_ms[size] / (size + 1) >= batch_ms[size - 1] / size * (1.0 - MIN_BATCH_GAIN):
            return now_ms
        if any(b.device == device and b is not batch for b in schedule.batches):
            return now_ms
        # A frame that joins saves a batch of its own, and costs the wait for it.
        saved_ms = batch_ms[size - 1] + batch_ms[0] - batch_ms[size]
        if 1.0 / rate > saved_ms / 2.0:
            return now_ms
        first = batch.frames[0].request
        filling, since_ms = self._filling.get(device, (None, now_ms))
        if filling is not first:
            since_ms = now_ms
            self._filling[device] = (first, now_ms)
        latest_ms = min(frame.end_by_ms for frame in batch.frames) - batch_ms[size]
        latest_ms = min([latest_ms, *(frame.start_by_ms for frame in batch.frames)])
        until_ms = min(since_ms + saved_ms, latest_ms)
        return until_ms if until_ms >= now_ms + MIN_WAKE_MS else now_ms

    # Frames that wait

    def _supersede(self, session: str, start_by_ms: float, now_ms: float) -> list[Drop]:
        """Makes room for a new frame of the session, to be started by `start_by_ms`.

        The waiting frame is dropped, unless there is no cost limit and a device will be free in
        time for both: after a link's stall frames arrive close together. At most two wait.
        """
        newest = self._mailbox.newest(session)
        if newest is None:
            return []
        drops = []
        older = self._mailbox.older(session)
        if older is not None:
            drops.append(self._drop(older, "superseded"))
        free_ms = min(self._free_ms(device, now_ms) for device in range(len(self._busy_until_ms)))
        end_ms = free_ms + newest.options.fastest_ms
        if math.isinf(self._load.cost_limit_ms) and end_ms <= min(newest.end_by_ms, start_by_ms):
            newest.start_by_ms = self._load.next_ms(session)
            self._mailbox.keep_both(session)
        else:
            drops.append(self._drop(newest, "superseded"))
        return drops

    def _has_even_chance(
        self, request: FrameRequest, options: LatencyOptions, now_ms: float
    ) -> bool:
        """Whether an unschedulable frame would be in time by the fastest variant's median latency,
        without the margin, on a device that is idle while load is low."""
        is_free = any(map(self._is_idle, range(len(self._busy_until_ms))))
        in_time = now_ms + options.typical_ms <= request.deadline_ms
        return is_free and in_time and not self._load.is_busy

    def _drop_expired(self, now_ms: float) -> list[Drop]:
        """Drops the frames that can't end in time any more, on whatever device."""
        drops = []
        while (frame := self._mailbox.pop_expired(now_ms)) is not None:
            self._latencies.refresh(frame.options)
            latest_start_ms = frame.end_by_ms - self._fastest_ms(frame.options)
            if latest_start_ms >= now_ms:  # the profile has become faster
                self._mailbox.expire_at(frame, latest_start_ms)
            else:
                self._load.record(frame.request.session, dispatched=False)
                reason: Reason = "overload" if self._latencies.any_live else "no_plan"
                drops.append(self._drop(frame, reason))
        return drops

    def _drop(self, frame: WaitingFrame, reason: Reason) -> Drop:
        self._mailbox.remove(frame)
        if reason == "superseded":
            self._load.record(frame.request.session, dispatched=False)
        return Drop(frame.request, reason)

    def _dispatch(self, batch: ScheduledBatch) -> Dispatch:
        for frame in batch.frames:
            self._mailbox.remove(frame)
            self._load.record(frame.request.session, dispatched=True)
        self._busy_until_ms[batch.device] = batch.end_ms
        self._filling.pop(batch.device, None)
        return Dispatch(
            batch.device,
            batch.option.variant,
            batch.option.input_size,
            tuple(frame.request for frame in batch.frames),
            batch.end_ms,
        )

    # Devices

    def _update(self, now_ms: float) -> None:
        if now_ms - self._updated_ms >= UPDATE_MS:
            self._updated_ms = now_ms
            self._latencies.advance(now_ms)
            self._load.refresh(now_ms)
        else:
            self._latencies.check()

    def _set_live(self, device: int, live: bool) -> None:
        self._latencies.set_live(device, live)
        self._filling.pop(device, None)

    def _is_idle(self, device: int) -> bool:
        return self._latencies.live[device] and self._busy_until_ms[device] is None

    def _free_ms(self, device: int, now_ms: float) -> float:
        """The time at which the device is expected to be free; infinite if it is not live."""
        if not self._latencies.live[device]:
            return math.inf
        until_ms = self._busy_until_ms[device]
        return now_ms if until_ms is None else max(until_ms, now_ms + OVERDUE_MS)

    def _fastest_ms(self, options: LatencyOptions) -> float:
        """The least p99 latency of a frame; 0 without live devices: it waits until its deadline."""
        return options.fastest_ms if self._latencies.any_live else 0.0
