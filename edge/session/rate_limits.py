"""How much one publisher, or one address, may send. Pure: time is an argument, in ms."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal


class Allowance:
    """So many messages in each second; `take` says pass, refuse (once a second), or ignore."""

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


class Excess:
    """Ends who sends far more than it may: over `WINDOW_MS` on average, so that no burst does.

    `observe` takes totals since the start, now and again, and says what was too much.
    """

    WINDOW_MS = 5_000.0

    def __init__(self, most_bps: float, most_fps: float) -> None:
        self._most = (most_bps, most_fps)
        self._since: tuple[float, int, int] | None = None

    def observe(self, sent_bytes: int, frames: int, now_ms: float) -> str | None:
        """What was too much in the window that ends now, in words; None if nothing was."""
        if self._since is None:
            self._since = (now_ms, sent_bytes, frames)
            return None
        began_ms, bytes_then, frames_then = self._since
        seconds = (now_ms - began_ms) / 1000.0
        if seconds * 1000.0 < self.WINDOW_MS:
            return None
        self._since = (now_ms, sent_bytes, frames)
        bps, fps = 8.0 * (sent_bytes - bytes_then) / seconds, (frames - frames_then) / seconds
        if bps > self._most[0]:
            return f"{bps / 1e6:.1f} Mbit/s, and at most {self._most[0] / 1e6:g} are taken"
        if fps > self._most[1]:
            return f"{fps:.0f} frames a second, and at most {self._most[1]:g} are taken"
        return None


class FramePacer:
    """Thins frames to the rate asked for, with some room for jitter: a fifth, and bursts of four.

    The generic cell rate algorithm (ITU-T I.371, in its form as virtual scheduling).
    """

    ROOM = 1.2
    BURST = 4

    def __init__(self) -> None:
        self._due_ms = float("-inf")

    def admits(self, fps: float, now_ms: float) -> bool:
        """Whether a frame that comes now is within `fps`; one that is not leaves no trace."""
        interval_ms = 1000.0 / (self.ROOM * fps)
        # What was booked at a lower rate does not keep frames waiting once the rate is higher.
        self._due_ms = min(self._due_ms, now_ms + (self.BURST + 0.5) * interval_ms)
        if now_ms < self._due_ms - (self.BURST - 0.5) * interval_ms:
            return False
        self._due_ms = max(self._due_ms, now_ms) + interval_ms
        return True


class Rates:
    """So many events of each key in a window, at once or spread; what was used comes back steadily.

    The same algorithm, a key each. Bounded: beyond `most` keys the one used least recently is
    forgotten, so that who has very many addresses gets what very many addresses get.
    """

    def __init__(self, limit: int, window_ms: float, most: int = 4096) -> None:
        self._interval_ms = window_ms / limit
        self._ahead_ms = window_ms - self._interval_ms
        self._most = most
        self._due_ms: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._due_ms)

    def wait_ms(self, key: str, now_ms: float) -> float:
        """Until one more event of this key is within the limit; 0 if it is now."""
        return max(0.0, self._due_ms.get(key, now_ms) - self._ahead_ms - now_ms)

    def take(self, key: str, now_ms: float) -> float:
        """Counts an event that is within the limit, and returns 0; else how long to wait."""
        wait_ms = self.wait_ms(key, now_ms)
        if wait_ms > 0.0:
            return wait_ms
        due_ms = max(self._due_ms.pop(key, now_ms), now_ms) + self._interval_ms
        if len(self._due_ms) >= self._most:
            self._due_ms.popitem(last=False)
        self._due_ms[key] = due_ms
        return 0.0


class CpuShare:
    """Part of a core that a thread or a process takes, over the last second or so."""

    SMOOTHING_MS = 1_000.0

    def __init__(self) -> None:
        self.mean = 0.0
        self._last: tuple[float, float] | None = None

    def observe(self, used_s: float, now_ms: float) -> None:
        """`used_s` is processor time since whenever."""
        if self._last is not None and now_ms > self._last[1]:
            passed_ms = now_ms - self._last[1]
            share = 1000.0 * (used_s - self._last[0]) / passed_ms
            self.mean += min(1.0, passed_ms / self.SMOOTHING_MS) * (share - self.mean)
        self._last = (used_s, now_ms)
