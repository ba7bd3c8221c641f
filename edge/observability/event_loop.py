"""Load of an event loop: the lag of its regular timer, and its thread's share of a core."""

from __future__ import annotations

from edge.base.histogram import Histogram

_LAG_DECAY = 0.98  # with each observation: at ten a second a spike has faded within seconds


class CpuShare:
    """Part of a core that a thread or a process uses, as a moving average over about a second."""

    SMOOTHING_MS = 1_000.0

    def __init__(self) -> None:
        self.mean = 0.0
        self._last: tuple[float, float] | None = None

    def observe(self, used_s: float, now_ms: float) -> None:
        """`used_s` is the processor time used since an arbitrary but fixed moment."""
        if self._last is not None and now_ms > self._last[1]:
            passed_ms = now_ms - self._last[1]
            share = 1000.0 * (used_s - self._last[0]) / passed_ms
            self.mean += min(1.0, passed_ms / self.SMOOTHING_MS) * (share - self.mean)
        self._last = (used_s, now_ms)


class EventLoopMonitor:
    """Takes the lag of each expiry of a timer that fires several times a second."""

    def __init__(self) -> None:
        self.lags = Histogram()
        """All lags since the start."""
        self.lag_ms = 0.0
        """The worst recent lag."""
        self.cpu = CpuShare()

    def observe(self, lag_ms: float, used_s: float, now_ms: float) -> None:
        """The timer fired `lag_ms` after it was due; the thread has used `used_s` so far."""
        self.lags.add(max(0.0, lag_ms))
        self.lag_ms = max(lag_ms, self.lag_ms * _LAG_DECAY)
        self.cpu.observe(used_s, now_ms)
