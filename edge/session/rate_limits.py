"""Limits on what one publisher, or one address, may send. Pure: time is an argument, in ms."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal


class MessageRateLimiter:
    """At most `limit` messages in each second; `take` returns "refuse" once a second, so that the
    sender is notified without being flooded, and "ignore" for further ones."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._since_ms = float("-inf")
        self._used = 0

    def take(self, now_ms: float) -> Literal["pass", "refuse", "ignore"]:
        if now_ms - self._since_ms >= 1000.0:
            self._since_ms, self._used = now_ms, 0
        self._used += 1
        if self._used <= self._limit:
            return "pass"
        return "refuse" if self._used == self._limit + 1 else "ignore"


class LeakyBucket:
    """Leaks at a rate, and holds what that rate brings in `BURST_S`."""

    BURST_S = 1.0

    def __init__(self, rate_per_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._level = self._amount = self._seconds = 0.0

    def add(self, amount: float, seconds: float) -> float | None:
        """What came in the last `seconds`; the mean rate a second if it overflows, else None."""
        self._level = max(0.0, self._level + amount - self._rate_per_s * seconds)
        if self._level == 0.0:
            self._amount = self._seconds = 0.0
            return None
        self._amount += amount
        self._seconds += seconds
        if self._level <= self._rate_per_s * self.BURST_S:
            return None
        return self._amount / max(self._seconds, self.BURST_S)


class TrafficLimit:
    """Detects a publisher above its limits, by a leaky bucket for bits and one for frames.

    Each is full with what its limit allows in a second: a backlog of that length, released at once
    by a link that had stalled, is allowed, and a flood far above the limit is detected within about
    that time. `observe` takes totals since the start, at any times.
    """

    def __init__(self, max_bps: float, max_fps: float) -> None:
        self._max_bps, self._max_fps = max_bps, max_fps
        self._last: tuple[float, int, int] | None = None
        self._bits, self._frames = LeakyBucket(max_bps), LeakyBucket(max_fps)

    def observe(self, received_bytes: int, frames: int, now_ms: float) -> str | None:
        """The limit that is exceeded now, in words; None if there is none."""
        if self._last is None:
            self._last = (now_ms, received_bytes, frames)
            return None
        last_ms, bytes_before, frames_before = self._last
        self._last = (now_ms, received_bytes, frames)
        seconds = max(0.0, now_ms - last_ms) / 1000.0
        bps = self._bits.add(8.0 * (received_bytes - bytes_before), seconds)
        fps = self._frames.add(float(frames - frames_before), seconds)
        if bps is not None:
            return f"{bps / 1e6:.1f} Mbit/s, and at most {self._max_bps / 1e6:g} are taken"
        if fps is not None:
            return f"{fps:.0f} frames a second, and at most {self._max_fps:g} are taken"
        return None


class FramePacer:
    """Thins frames to the requested rate, with a tolerance for jitter: a fifth, and bursts of four.

    The generic cell rate algorithm (ITU-T I.371, in its virtual scheduling form).
    """

    TOLERANCE = 1.2
    BURST = 4

    def __init__(self) -> None:
        self._due_ms = float("-inf")

    def admits(self, fps: float, now_ms: float) -> bool:
        """Whether a frame that arrives now is within `fps`; a refused frame does not count."""
        interval_ms = 1000.0 / (self.TOLERANCE * fps)
        # Frames counted at a lower rate do not delay later ones once the rate is higher.
        self._due_ms = min(self._due_ms, now_ms + (self.BURST + 0.5) * interval_ms)
        if now_ms < self._due_ms - (self.BURST - 0.5) * interval_ms:
            return False
        self._due_ms = max(self._due_ms, now_ms) + interval_ms
        return True


class KeyedRateLimiter:
    """At most `limit` events of each key in a window, in a burst or spread over it.

    The generic cell rate algorithm for each key. Memory is bounded: beyond `max_keys` the least
    recently used key is forgotten, so a client with very many addresses can exceed the limit.
    """

    def __init__(self, limit: int, window_ms: float, max_keys: int = 4096) -> None:
        self._interval_ms = window_ms / limit
        self._burst_ms = window_ms - self._interval_ms
        self._max_keys = max_keys
        self._due_ms: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._due_ms)

    def wait_ms(self, key: str, now_ms: float) -> float:
        """Time until one more event of this key is within the limit; 0 if it is now."""
        return max(0.0, self._due_ms.get(key, now_ms) - self._burst_ms - now_ms)

    def take(self, key: str, now_ms: float) -> float:
        """Count an event and return 0; for one above the limit return the time to wait instead."""
        wait_ms = self.wait_ms(key, now_ms)
        if wait_ms > 0.0:
            return wait_ms
        due_ms = max(self._due_ms.pop(key, now_ms), now_ms) + self._interval_ms
        if len(self._due_ms) >= self._max_keys:
            self._due_ms.popitem(last=False)
        self._due_ms[key] = due_ms
        return 0.0
