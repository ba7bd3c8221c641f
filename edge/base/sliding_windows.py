"""Minimum, quantile and bitrate of the latest values. Pure: times in ms are arguments."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque

MAX_PENDING = 32  # values of a quantile window that are not sorted in yet


class MinimumWindow:
    """The minimum of the last `window_ms`, kept as one minimum for each of its `slices`."""

    __slots__ = ("_slice_ms", "_slices")

    def __init__(self, window_ms: float, slices: int = 16) -> None:
        self._slice_ms = window_ms / slices
        self._slices: deque[tuple[float, float]] = deque(maxlen=slices)  # (start, minimum)

    def add(self, value: float, now_ms: float) -> None:
        if self._slices and now_ms - self._slices[-1][0] < self._slice_ms:
            start_ms, minimum = self._slices[-1]
            self._slices[-1] = (start_ms, min(minimum, value))
        else:
            self._slices.append((now_ms, value))
        window_ms = self._slice_ms * (self._slices.maxlen or 1)
        while now_ms - self._slices[0][0] > window_ms:
            self._slices.popleft()

    def minimum(self) -> float | None:
        """None if the window is empty."""
        return min((value for _, value in self._slices), default=None)


class QuantileWindow:
    """Quantiles of at most `max_count` values, none older than `max_age_ms`.

    Values are sorted in when a quantile is asked for, which for most windows is rarer than a value:
    several at a time cost less than each by itself.
    """

    __slots__ = ("_latest", "_max_age_ms", "_max_count", "_pending", "_sorted")

    def __init__(self, max_count: int, max_age_ms: float = math.inf) -> None:
        self._max_count = max_count
        self._max_age_ms = max_age_ms
        self._latest: deque[tuple[float, float]] = deque()
        self._sorted: list[float] = []
        self._pending: list[tuple[float, float]] = []  # at most MAX_PENDING; not sorted in yet

    def __len__(self) -> int:
        self._sort_in()
        return len(self._sorted)

    def add(self, value: float, now_ms: float) -> None:
        self._pending.append((now_ms, value))
        if len(self._pending) >= MAX_PENDING:
            self._sort_in()

    def expire(self, now_ms: float) -> None:
        """Drop the values that are too old at `now_ms`."""
        self._sort_in()
        self._drop_older(now_ms)

    def quantile(self, q: float) -> float | None:
        """The smallest value that at least a share `q` of all doesn't exceed; None if empty."""
        if self._pending:
            self._sort_in()
        n = len(self._sorted)
        if not n:
            return None
        rank = math.ceil(q * n) - 1
        return self._sorted[0 if rank < 0 else rank if rank < n else n - 1]

    def _sort_in(self) -> None:
        pending = self._pending
        if not pending:
            return
        for _, value in pending:
            insort(self._sorted, value)
        self._latest.extend(pending)
        now_ms = pending[-1][0]
        pending.clear()
        while len(self._latest) > self._max_count:
            self._pop()
        self._drop_older(now_ms)

    def _drop_older(self, now_ms: float) -> None:
        latest, since_ms = self._latest, now_ms - self._max_age_ms
        while latest and latest[0][0] < since_ms:
            self._pop()

    def _pop(self) -> None:
        _, value = self._latest.popleft()
        del self._sorted[bisect_left(self._sorted, value)]


class BitrateWindow:
    """Bits a second over the last `window_ms`, from at most `max_count` additions."""

    __slots__ = ("_latest", "_window_ms")

    def __init__(self, window_ms: float, max_count: int) -> None:
        self._window_ms = window_ms
        self._latest: deque[tuple[float, float]] = deque(maxlen=max_count)  # (ms, bits)

    def __len__(self) -> int:
        return len(self._latest)

    def add(self, bits: float, now_ms: float) -> None:
        self._latest.append((now_ms, bits))

    def clear(self) -> None:
        self._latest.clear()

    def newest_bps(self) -> float:
        """Up to the newest addition; 0 if the window is empty."""
        return self.bps(self._latest[-1][0]) if self._latest else 0.0

    def bps(self, now_ms: float) -> float:
        since_ms = now_ms - self._window_ms
        bits = sum(bits for at_ms, bits in self._latest if since_ms < at_ms <= now_ms)
        return 1000.0 * bits / self._window_ms
