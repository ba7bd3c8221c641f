"""A device's drift from its measured profile while serving.

Every finished batch gives one ratio, observed latency / declared p99. The ratios of one input shape
go into short windows, one for the shape and one for each of its batch sizes; the window's upper
quantile scales the declared latency. Shapes without observations inherit the ratios of those with
some, the nearer in pixels the more.

The rules, and their reasons:

- upward at once: three slow batches in a row raise the ratio to the lowest of the three;
- downward slowly: a ratio is the window's third highest or its upper 3 %, so a fast spell has to
  push the slow one out of the window first, and a ratio below its surroundings counts in full only
  after 32 batches;
- a stall is not a slowdown: the two highest ratios of a window never count, and the others are cut
  at 2.5 times the median. Refusing all frames because one in thirty stalls would lose the other 29;
- silence forgives: half a second after its last batch, a ratio starts to fall back (halving every
  second) to its neighbours' ratios, and these to 1. So a profile so pessimistic that nothing is
  dispatched any more recovers by itself: eventually a batch is dispatched, and if it is fast, the
  slow ones before it are forgotten; if it is slow, they count again at once.
"""

import math
from bisect import bisect_left, insort
from collections import OrderedDict, deque

import numpy as np
from numpy.typing import NDArray

WINDOW = 96  # batches remembered for one shape; the oldest leaves
MAX_AGE_MS = 12_000.0
MAX_SHAPES = 64  # shapes remembered for one device; the least recently observed leaves
GRACE_MS = 500.0
HALF_LIFE_MS = 1_000.0
STALL = 2.5
FLOOR, CEILING = 0.2, 50.0
PRIOR = 1.0  # weight, in batches, of the assumption that nothing has drifted
STALE = 0.5  # freshness below which one fast batch refutes all slow ones before it


class DriftWindow:
    """The latest ratios of one shape, or of one shape and batch size."""

    __slots__ = ("_latest", "_sorted", "last_ms")

    def __init__(self) -> None:
        self._latest: deque[tuple[float, float]] = deque()
        self._sorted: list[float] = []
        self.last_ms = -math.inf

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, ratio: float, now_ms: float) -> None:
        """Takes one ratio; drops those that are too old, refuted, or one too many."""
        stale = len(self._sorted) >= 3 and self.fresh(now_ms) < STALE
        if stale and ratio < 0.7 * self.upper():
            self._latest.clear()
            self._sorted.clear()
        self.last_ms = max(self.last_ms, now_ms)
        self._latest.append((now_ms, ratio))
        insort(self._sorted, ratio)
        if len(self._latest) > WINDOW:
            self._pop()
        self.expire(now_ms)

    def expire(self, now_ms: float) -> None:
        """Drops the ratios that are too old."""
        while self._latest and self._latest[0][0] < now_ms - MAX_AGE_MS:
            self._pop()

    def _pop(self) -> None:
        _, ratio = self._latest.popleft()
        del self._sorted[bisect_left(self._sorted, ratio)]

    def median(self) -> float:
        return self._sorted[len(self._sorted) // 2]

    def upper(self) -> float:
        """The ratio to plan with; needs three or more in the window."""
        n = len(self._sorted)
        upper = self._sorted[-max(3, math.ceil(0.03 * n))]
        upper = min(upper, STALL * self.median())
        latest = self._latest
        return max(upper, min(latest[-1][1], latest[-2][1], latest[-3][1]))

    def fresh(self, now_ms: float) -> float:
        """The window's weight: 1 just after a batch, falling to 0 in silence."""
        silent_ms = max(0.0, now_ms - self.last_ms - GRACE_MS)
        return float(0.5 ** (silent_ms / HALF_LIFE_MS))

    def blend(self, inherited: float, now_ms: float) -> float:
        """The ratio to use, given the one inherited from the neighbours."""
        n = len(self._sorted)
        if n < 3:
            return inherited
        own = self.upper()
        weight = self.fresh(now_ms)
        if own < inherited:
            weight *= min(1.0, n / 32)
        return float(inherited * (own / inherited) ** weight)


class ShapeDrift:
    """The windows of one network at one pixel count."""

    __slots__ = ("batches", "whole")

    def __init__(self) -> None:
        self.whole = DriftWindow()
        self.batches: dict[int, DriftWindow] = {}


class DeviceDrift:
    """The ratios of one device."""

    def __init__(self) -> None:
        self._shapes: OrderedDict[tuple[str, int], ShapeDrift] = OrderedDict()

    def observe(
        self, network: str, pixels: int, batch: int, ratio: float, now_ms: float
    ) -> tuple[bool, bool]:
        """Takes one ratio; returns whether the shape is new, and whether an estimate moved."""
        ratio = min(CEILING, max(FLOOR, ratio))
        key = (network, pixels)
        shape = self._shapes.get(key)
        is_new = shape is None
        if shape is None:
            shape = self._shapes[key] = ShapeDrift()
            if len(self._shapes) > MAX_SHAPES:
                self._shapes.popitem(last=False)
        self._shapes.move_to_end(key)
        moved = False
        for window in (shape.whole, shape.batches.setdefault(batch, DriftWindow())):
            before = window.blend(1.0, now_ms)
            window.add(ratio, now_ms)
            moved |= abs(window.blend(1.0, now_ms) / before - 1.0) > 0.01
        return is_new, moved

    def is_silent(self, now_ms: float) -> bool:
        """Whether no observation still counts, so that the ratios no longer change with time."""
        return all(s.whole.last_ms < now_ms - MAX_AGE_MS for s in self._shapes.values())

    def pixels(self, network: str) -> list[int]:
        """The pixel counts observed for a network."""
        return [p for n, p in self._shapes if n == network]

    def ratios(
        self, network: str, rows: list[int], max_batch: int, now_ms: float
    ) -> tuple[NDArray[np.float64], list[bool], list[float | None]]:
        """Factors for the declared latencies, for each of the pixel counts `rows`.

        Returns an array (pixel counts x batch sizes); for each pixel count whether it was itself
        observed recently; and its median over its upper quantile (None with too few observations).
        """
        sources: list[tuple[str, int, float, float]] = []
        for (name, pixels), shape in self._shapes.items():
            shape.whole.expire(now_ms)
            if len(shape.whole) >= 3:
                fresh = shape.whole.fresh(now_ms)
                log_ratio = fresh * math.log(shape.whole.upper())
                sources.append((name, pixels, fresh * min(16, len(shape.whole)), log_ratio))
        result = np.ones((len(rows), max_batch))
        recent = [False] * len(rows)
        tightness: list[float | None] = [None] * len(rows)
        if not sources:
            return result, recent, tightness
        for row, pixels in enumerate(rows):
            total, total_weight = 0.0, PRIOR
            for name, other, weight, log_ratio in sources:
                if name == network and other == pixels:
                    continue
                distance = abs(math.log2(other / pixels)) + (0.0 if name == network else 2.0)
                near = weight / (1.0 + distance * distance)
                total += near * log_ratio
                total_weight += near
            ratio = math.exp(total / total_weight)
            own = self._shapes.get((network, pixels))
            if own is None:
                result[row] = ratio
                continue
            result[row] = ratio = own.whole.blend(ratio, now_ms)
            for batch, window in own.batches.items():
                window.expire(now_ms)
                if batch <= max_batch:
                    result[row, batch - 1] = window.blend(ratio, now_ms)
            recent[row] = len(own.whole) >= 3 and own.whole.fresh(now_ms) > 0.5
            if len(own.whole) >= 8:
                tightness[row] = min(1.0, own.whole.median() / own.whole.upper())
        return result, recent, tightness
