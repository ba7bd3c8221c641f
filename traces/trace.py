"""A link's rate over time, piecewise constant, and its capacity over an interval."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Series = NDArray[np.float64]

MOST_BPS = 1e11
"""A rate above this is a mistaken unit."""

SLACK_BITS = 1e-3
"""Tolerance, so that rounding never moves a packet's last bit beyond an outage."""


class TraceError(Exception):
    """A trace that cannot be used; the message names file, line and rule."""


class TraceStep(NamedTuple):
    """The link's state until the next change; None where the trace has no such series."""

    rate_bps: float
    delay_ms: float | None
    jitter_ms: float | None
    loss: float | None


@dataclass(frozen=True, eq=False)
class Trace:
    """A link over time. `at_ms` holds the n start times, ascending from 0; `rate_bps` and, where
    known, `delay_ms`, `jitter_ms` (both >= 0) and `loss` (0 to 1) one value for each. The trace
    repeats beyond `duration_ms`. `notes` say how it was made, and the corrections of its reader.
    Raises TraceError for values that break a rule."""

    at_ms: Series
    rate_bps: Series
    duration_ms: float
    delay_ms: Series | None = None
    jitter_ms: Series | None = None
    loss: Series | None = None
    name: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for key in ("at_ms", "rate_bps", "delay_ms", "jitter_ms", "loss"):
            values = getattr(self, key)
            if values is not None:
                object.__setattr__(self, key, _frozen(values))
        object.__setattr__(self, "duration_ms", float(self.duration_ms))
        self._check()

    def _check(self) -> None:
        def refuse(rule: str) -> TraceError:
            return TraceError(f"{self.name}: {rule}" if self.name else rule)

        if self.at_ms.ndim != 1 or not len(self.at_ms):
            raise refuse("a trace has at least one step")
        if self.at_ms[0] != 0.0 or not np.all(np.diff(self.at_ms) > 0.0):
            raise refuse("times ascend from 0")
        if not math.isfinite(self.duration_ms) or self.duration_ms <= self.at_ms[-1]:
            raise refuse("the duration ends after the last step's start")
        limits = {"rate_bps": MOST_BPS, "delay_ms": 1e6, "jitter_ms": 1e6, "loss": 1.0}
        for key, most in limits.items():
            values = getattr(self, key)
            if values is None:
                continue
            if values.shape != self.at_ms.shape:
                raise refuse(f"{key}: as many values as times")
            if not np.all((values >= 0.0) & (values <= most)):
                raise refuse(f"{key}: from 0 to {most:g}")

    # At one time

    def index_at(self, t_ms: float) -> int:
        """The index of the step in force."""
        return bisect_right(self._starts_ms, t_ms % self.duration_ms) - 1

    def rate_at(self, t_ms: float) -> float:
        """The rate in force, in bit/s."""
        return self._rates_bps[self.index_at(t_ms)]

    def step_at(self, t_ms: float) -> TraceStep:
        """The step in force."""
        i = self.index_at(t_ms)
        return TraceStep(
            self._rates_bps[i],
            *(None if s is None else float(s[i]) for s in self._extras().values()),
        )

    def next_change_ms(self, t_ms: float) -> float:
        """When the next step begins; after the last, the first of the next repetition."""
        turns, rest_ms = divmod(t_ms, self.duration_ms)
        i = bisect_right(self._starts_ms, rest_ms)
        end_ms = self._starts_ms[i] if i < len(self._starts_ms) else self.duration_ms
        return turns * self.duration_ms + end_ms

    # Over an interval

    def capacity_bits(self, start_ms: float, end_ms: float) -> float:
        """The bits that can leave between two times; O(log n)."""
        return self._bits_until(end_ms) - self._bits_until(start_ms)

    def finish_ms(self, start_ms: float, bits: float) -> float:
        """When `bits` have left a link that starts sending them at `start_ms`; infinite if the link
        has no rate at all. O(log n)."""
        if bits <= 0.0:
            return start_ms
        period_bits = self._ends_bits[-1]
        if period_bits <= 0.0:
            return math.inf
        target = self._bits_until(start_ms) + bits - SLACK_BITS
        # Rounded up, minus one: bits that end with a repetition end at its last step with a rate.
        turns = math.ceil(target / period_bits) - 1
        rest = min(target - turns * period_bits, period_bits)
        i = min(bisect_left(self._ends_bits, rest), len(self._rates_bps) - 1)
        left = self._ends_bits[i] - rest
        end_ms = self._starts_ms[i + 1] if i + 1 < len(self._starts_ms) else self.duration_ms
        if left > 0.0:
            end_ms -= left * 1000.0 / self._rates_bps[i]
        return max(start_ms, turns * self.duration_ms + end_ms)

    def window(self, start_ms: float, end_ms: float) -> Trace:
        """The trace between two times, shifted to start at 0, with repetitions unrolled."""
        if not 0.0 <= start_ms < end_ms:
            raise ValueError(f"window {start_ms:g} to {end_ms:g} ms: must start from 0 or later")
        first, last = int(start_ms // self.duration_ms), int(end_ms // self.duration_ms)
        at_ms = np.concatenate([self.at_ms + k * self.duration_ms for k in range(first, last + 1)])
        pick = (at_ms > start_ms) & (at_ms < end_ms)
        index = np.tile(np.arange(len(self.at_ms)), last + 1 - first)[pick]
        index = np.concatenate([[self.index_at(start_ms)], index])
        return Trace(
            np.concatenate([[0.0], at_ms[pick] - start_ms]),
            self.rate_bps[index],
            end_ms - start_ms,
            name=self.name,
            notes=self.notes,
            **{k: None if s is None else s[index] for k, s in self._extras().items()},
        )

    def resample(self, step_ms: float) -> Trace:
        """The trace in even steps, each the mean over its interval; the last may be shorter."""
        if not step_ms > 0.0:
            raise ValueError("the step must be above 0 ms")
        count = max(1, math.ceil(self.duration_ms / step_ms - 1e-9))
        bin_edges_ms = np.append(np.arange(count) * step_ms, self.duration_ms)
        knots = np.append(self.at_ms, self.duration_ms)

        def mean(values: Series) -> Series:
            integral = np.concatenate([[0.0], np.cumsum(values * np.diff(knots))])
            means = np.diff(np.interp(bin_edges_ms, knots, integral)) / np.diff(bin_edges_ms)
            return np.asarray(np.clip(means, values.min(), values.max()), np.float64)

        return Trace(
            bin_edges_ms[:-1],
            mean(self.rate_bps),
            self.duration_ms,
            name=self.name,
            notes=self.notes,
            **{k: None if s is None else mean(s) for k, s in self._extras().items()},
        )

    @property
    def mean_bps(self) -> float:
        """The mean rate over one repetition, weighted by time."""
        return self._ends_bits[-1] * 1000.0 / self.duration_ms

    def quantile_bps(self, *shares: float) -> tuple[float, ...]:
        """The rates below which the link is for these shares (0 to 1) of the time."""
        order = np.argsort(self.rate_bps, kind="stable")
        spent = np.cumsum(np.diff(np.append(self.at_ms, self.duration_ms))[order])
        places = np.searchsorted(spent, np.asarray(shares) * spent[-1])
        return tuple(float(r) for r in self.rate_bps[order][np.minimum(places, len(order) - 1)])

    def share_below(self, rate_bps: float) -> float:
        """The share of the time that the link is slower than this."""
        lengths = np.diff(np.append(self.at_ms, self.duration_ms))
        return float(lengths[self.rate_bps < rate_bps].sum() / self.duration_ms)

    # The series as lists: for single values, bisect on a list is faster than NumPy

    @cached_property
    def _starts_ms(self) -> list[float]:
        return [float(t) for t in self.at_ms]

    @cached_property
    def _rates_bps(self) -> list[float]:
        return [float(r) for r in self.rate_bps]

    @cached_property
    def _ends_bits(self) -> list[float]:
        """Bits that could have left by the end of each step."""
        lengths_ms = np.diff(np.append(self.at_ms, self.duration_ms))
        return [float(b) for b in np.cumsum(self.rate_bps * lengths_ms / 1000.0)]

    def _bits_until(self, t_ms: float) -> float:
        turns, rest_ms = divmod(t_ms, self.duration_ms)
        i = bisect_right(self._starts_ms, rest_ms) - 1
        before = self._ends_bits[i - 1] if i else 0.0
        within = self._rates_bps[i] * (rest_ms - self._starts_ms[i]) / 1000.0
        return turns * self._ends_bits[-1] + before + within

    def _extras(self) -> dict[str, Series | None]:
        return {"delay_ms": self.delay_ms, "jitter_ms": self.jitter_ms, "loss": self.loss}


def constant(rate_bps: float) -> Trace:
    """A link of constant rate."""
    return Trace(
        np.zeros(1), np.array([float(rate_bps)]), 1000.0, name=f"{rate_bps / 1e6:g} Mbit/s"
    )


def _frozen(values: ArrayLike) -> Series:
    copy = np.array(values, np.float64)
    copy.setflags(write=False)
    return copy
