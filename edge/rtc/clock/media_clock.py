"""A sender's media clock (RTP timestamps) followed on the server's own clock.

Timestamps are a sender's word. They may count frames that the camera does not deliver, run at
another rate, step, or stand still. What is believed of them is therefore bounded by what the
network can do: a queue on the link shows no idle time between frames, is worked off in a burst, and
ends. A clock that is wrong does neither. Pure: times in ms are arguments.
"""

from __future__ import annotations

from itertools import pairwise

from edge.rtc.unwrapper import Unwrapper

MAX_WAIT_MS = 5000.0  # a frame that seems to have been longer on its way has a wrong timestamp
_EARLY_MS = 20.0  # before the least delay: the clock has stepped, or the path is a shorter one
_LATE_MS = 40.0  # beyond the least delay: the clock may have stepped, if it stays so
_STEP_MS = 600.0  # for which it must stay so
_STEP_FRAMES = 3
_STEP_SPREAD = 0.3  # of the step, at most: a busy network spreads delays more evenly
_STANDING_MS = 5_000.0  # after which a delay counts as the least one, however it is spread
_SETTLED_MS = 1_000.0  # of points: until then, the drift is sought
_SILENCE_MS, _SILENT_INTERVALS = 200.0, 3.0  # between frames: a pause, whatever its cause
_PAUSE_SHARE = 0.2  # of a pause: a clock that lags behind by more has stood still
_WINDOW_MS = 30_000.0  # that the least delay is taken from
_MIN_POINTS, _MAX_POINTS = 4, 32
_FIRST_SLICE_MS = 50.0
_LEAST_GROWTH_MS = 20.0  # over the window: a slope that explains less is taken for noise
_GROWTH_RATIO = 2.0  # and so is one that explains less than this many times what it leaves
_MEMORY_MS = 30_000.0  # for which the clock before a step may prove to be right after all
_MAX_REPEATS = 16  # frames with the timestamp of another, remembered; the oldest is forgotten first


class LeastDelay:
    """The least delay as a line over time, whose slope is the drift of the sender's clock.

    The line lies below all points and touches them (Moon, Skelly, Towsley, INFOCOM 1999), from one
    point for each slice of time. Slices grow with the window, so that at most 32 points are kept;
    the oldest goes first. A slope is believed once it explains more than noise.
    """

    def __init__(self, delay_ms: float, now_ms: float, slope: float = 0.0) -> None:
        self.since_ms = now_ms
        self.frames = 1
        self.most_ms = 0.0  # above the line, since its first point
        self._known_slope = slope  # until the points show another one
        self._slope = slope
        self._at_ms, self._delay_ms = now_ms, delay_ms  # a point of the line
        self._slice_ms = _FIRST_SLICE_MS
        self._slice_end_ms = now_ms + _FIRST_SLICE_MS
        self._points = [(now_ms, delay_ms)]

    @property
    def slope(self) -> float:
        """Growth of the delay, in ms a ms."""
        return self._slope

    @property
    def span_ms(self) -> float:
        """For how long the points reach back."""
        return self._points[-1][0] - self._points[0][0]

    def excess_ms(self, delay_ms: float, now_ms: float) -> float:
        """By how much a delay exceeds the line; negative below it."""
        return delay_ms - self._delay_ms - self._slope * (now_ms - self._at_ms)

    def add(self, delay_ms: float, now_ms: float) -> None:
        """A frame's delay, measured when no queue was seen, or below the line."""
        self.frames += 1
        excess_ms = self.excess_ms(delay_ms, now_ms)
        self.most_ms = max(self.most_ms, excess_ms)
        if now_ms >= self._slice_end_ms:
            self._fit(now_ms)
            self._points.append((now_ms, delay_ms))
            self._slice_end_ms = now_ms + self._slice_ms
            excess_ms = self.excess_ms(delay_ms, now_ms)
        else:
            at_ms, lowest_ms = self._points[-1]
            if delay_ms - lowest_ms < self._slope * (now_ms - at_ms):
                self._points[-1] = (now_ms, delay_ms)
        if excess_ms < 0.0:
            self._at_ms, self._delay_ms = now_ms, delay_ms

    def _fit(self, now_ms: float) -> None:
        points = self._points
        while len(points) > 1 and now_ms - points[0][0] > _WINDOW_MS:
            points.pop(0)
        if len(points) >= _MAX_POINTS:
            self._slice_ms *= 2.0
            points[:] = [self._lower(*pair) for pair in zip(points[::2], points[1::2], strict=True)]
        hull: list[tuple[float, float]] = []
        for at_ms, delay_ms in points:
            while len(hull) > 1 and _is_above(hull[-2], hull[-1], (at_ms, delay_ms)):
                hull.pop()
            hull.append((at_ms, delay_ms))
        # Of all lines below the points, the one nearest to them in sum passes below their mean.
        mean_ms = sum(at_ms for at_ms, _ in points) / len(points)
        slope = self._known_slope
        for (left_ms, left), (right_ms, right) in pairwise(hull):
            if left_ms <= mean_ms <= right_ms:
                fitted = (right - left) / (right_ms - left_ms)
                above_ms = sum(each - left - fitted * (at_ms - left_ms) for at_ms, each in points)
                growth_ms = abs(fitted - slope) * self.span_ms
                noise_ms = _GROWTH_RATIO * above_ms / max(1, len(points) - 2)  # two are on it
                if len(points) >= _MIN_POINTS and growth_ms > max(_LEAST_GROWTH_MS, noise_ms):
                    slope = fitted
                break
        self._slope = slope
        self._at_ms, self._delay_ms = min(points, key=lambda each: each[1] - slope * each[0])
        self.most_ms = max(self.excess_ms(delay_ms, at_ms) for at_ms, delay_ms in points)

    def _lower(
        self, first: tuple[float, float], second: tuple[float, float]
    ) -> tuple[float, float]:
        growth_ms = self._slope * (second[0] - first[0])
        return second if second[1] - first[1] < growth_ms else first


def _is_above(
    left: tuple[float, float], middle: tuple[float, float], right: tuple[float, float]
) -> bool:
    """Whether the middle point lies on or above the line from left to right."""
    along_ms, whole_ms = middle[0] - left[0], right[0] - left[0]
    return (middle[1] - left[1]) * whole_ms >= (right[1] - left[1]) * along_ms


class MediaClock:
    """One sender's timestamps of `bits` bits, of which a right clock counts `per_ms`.

    After a step the clock starts anew: forward or by more than `MAX_WAIT_MS` at once, else once it
    has stayed so for `_STEP_MS`. The former line is kept, for a network that stood still and then
    delivered everything looks the same at first.
    """

    def __init__(self, bits: int, per_ms: float) -> None:
        self._timestamps = Unwrapper(bits)
        self._per_ms = per_ms
        self._line: LeastDelay | None = None
        self._former: LeastDelay | None = None
        self._candidate: LeastDelay | None = None  # the line since a step, if it was one
        self._timestamp: int | None = None  # the frame that is arriving
        self._ended = False  # by its marker
        self._repeated: dict[int, float] = {}  # when a second frame began, by timestamp
        self._packet_ms = float("-inf")
        self._interval_ms = 1000.0 / 15.0  # between frames
        self._frame_ms = float("-inf")
        self._delay_ms = 0.0  # of the last frame, the clocks' offset included
        self._jitter_ms = 0.0  # above the least delay, on average
        self._spacing_ms = 0.0  # between the packets of a frame
        self.restarts = 0

    @property
    def since_ms(self) -> float:
        """When the clock in force began: what was learnt of timestamps before is of no use."""
        return float("-inf") if self._line is None or not self.restarts else self._line.since_ms

    def elapsed_ms(self, ticks: int, over_ms: float) -> float:
        """The time that `ticks` take; at the nominal rate until it is known well for `over_ms`."""
        line = self._line
        known = line is not None and line.span_ms > 5.0 * over_ms
        rate = 1.0 - line.slope if line is not None and known else 1.0
        return ticks / self._per_ms / (rate if rate > 0.1 else 1.0)

    def observe(self, timestamp: int, marker: bool, now_ms: float) -> bool:
        """A packet that came in order; whether a frame begins with it."""
        silent_ms, self._packet_ms = now_ms - self._packet_ms, now_ms
        repeats = self._ended and timestamp == self._timestamp
        begins = timestamp != self._timestamp or repeats
        self._timestamp, self._ended = timestamp, marker
        if repeats:
            self._repeated.setdefault(timestamp, now_ms)
            if len(self._repeated) > _MAX_REPEATS:
                del self._repeated[next(iter(self._repeated))]
        elif begins:
            self._repeated.pop(timestamp, None)
            self._begin_frame(timestamp, silent_ms, now_ms)
        else:
            self._spacing_ms += 0.1 * (min(silent_ms, 100.0) - self._spacing_ms)
        return begins

    def waited_ms(self, timestamp: int, arrival_ms: float) -> float:
        """How much longer a frame took than the least delay; 0 where that is not to be believed.

        `arrival_ms`: of its first packet. A timestamp that another frame has had says nothing.
        """
        line = self._line
        if arrival_ms >= self._repeated.get(timestamp, float("inf")):
            return 0.0
        if line is not None and arrival_ms < line.since_ms and self._former is not None:
            line = self._former
        if line is None:
            return 0.0
        delay_ms = arrival_ms - self._timestamps.peek(timestamp) / self._per_ms
        excess_ms = line.excess_ms(delay_ms, arrival_ms)
        return excess_ms if 0.0 < excess_ms <= MAX_WAIT_MS else 0.0

    def _begin_frame(self, timestamp: int, silent_ms: float, now_ms: float) -> None:
        idle = silent_ms > max(0.25 * self._interval_ms, 2.0 * self._spacing_ms)
        since_ms, self._frame_ms = now_ms - self._frame_ms, now_ms
        if 0.0 < since_ms < 1000.0:
            self._interval_ms += 0.1 * (since_ms - self._interval_ms)
        delay_ms = now_ms - self._timestamps.unwrap(timestamp) / self._per_ms
        change_ms, self._delay_ms = delay_ms - self._delay_ms, delay_ms
        line = self._line
        if line is None:
            self._line = LeastDelay(delay_ms, now_ms)
            return
        excess_ms = line.excess_ms(delay_ms, now_ms)
        pause = silent_ms > max(_SILENCE_MS, _SILENT_INTERVALS * self._interval_ms)
        if excess_ms > MAX_WAIT_MS or (
            pause and excess_ms > max(_LATE_MS, _PAUSE_SHARE * silent_ms)
        ):
            self._restart(LeastDelay(delay_ms, now_ms, line.slope))
        elif idle and line.span_ms < _SETTLED_MS and abs(change_ms) < since_ms:
            line.add(delay_ms, now_ms)  # a wrong rate, as likely as a step
        elif excess_ms < -_EARLY_MS:
            self._step_forward(line, delay_ms, now_ms)
        elif excess_ms < max(_LATE_MS, 2.0 * self._jitter_ms):
            self._candidate = None
            self._jitter_ms += 0.05 * (max(0.0, excess_ms) - self._jitter_ms)
            if idle or excess_ms < 0.0:
                line.add(delay_ms, now_ms)
        elif idle:
            self._consider(line, delay_ms, now_ms)

    def _consider(self, line: LeastDelay, delay_ms: float, now_ms: float) -> None:
        """A frame that came late though the link was idle before it."""
        step = self._candidate
        if step is None or step.excess_ms(delay_ms, now_ms) < -_LATE_MS:
            self._candidate = LeastDelay(delay_ms, now_ms, line.slope)
            return
        step.add(delay_ms, now_ms)
        lasted_ms = now_ms - step.since_ms
        if step.frames < _STEP_FRAMES or lasted_ms < _STEP_MS:
            return
        excess_ms = line.excess_ms(delay_ms, now_ms)
        if step.most_ms <= _STEP_SPREAD * excess_ms or lasted_ms > _STANDING_MS:
            self._restart(step)

    def _step_forward(self, line: LeastDelay, delay_ms: float, now_ms: float) -> None:
        former = self._former
        if (
            former is not None
            and now_ms - line.since_ms < _MEMORY_MS
            and -_EARLY_MS <= former.excess_ms(delay_ms, now_ms) <= MAX_WAIT_MS
        ):
            self._line, self._former, self._candidate = former, None, None
            former.add(delay_ms, now_ms)
        else:
            self._restart(LeastDelay(delay_ms, now_ms, line.slope))

    def _restart(self, line: LeastDelay) -> None:
        self._former, self._line, self._candidate = self._line, line, None
        self.restarts += 1
