"""Generated uplinks: WiFi-like, LTE-like, 5G-like; and the Jellyfish paper's stepped trace.

A link is in one of a few states (good, poor, outage ...), stays for an exponentially distributed
time, and moves to another by given weights. In a state the rate is its median times a lognormal
factor that follows an AR(1) process with time constant `tau_s`, one process for all states, cut at
`most_mbps`. Rates are rounded to 1 kbit/s. The same kind, seed and duration give the same trace; a
longer one begins with the same steps.

The data that each is fitted to is cited at its recipe; `tests/traces/test_generate.py` checks it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from traces.trace import Trace


@dataclass(frozen=True)
class RateState:
    """A state of a link: its median rate, its mean duration `stay_s`, and the `weight` of moving to
    it, relative to the other states."""

    median_mbps: float
    stay_s: float
    weight: float = 1.0


@dataclass(frozen=True)
class LinkRecipe:
    """A kind of link: its states, the first one initial, and the variation of the rate in them."""

    kind: str
    states: tuple[RateState, ...]
    sigma: float
    """Standard deviation of the rate's logarithm."""
    tau_s: float
    most_mbps: float
    step_ms: float


WIFI = LinkRecipe(
    "wifi",
    (RateState(22.0, 2.5), RateState(5.5, 0.6, 1.0), RateState(0.0, 0.18, 0.55)),
    sigma=0.25,
    tau_s=1.5,
    most_mbps=40.0,
    step_ms=50.0,
)
"""A shared 802.11 channel: clear, contended, stalled. The wait for the hop: median some ms, 90th
percentile about 20 ms, 99th about 250 ms (Sui et al., "Characterizing and Improving WiFi Latency
in Large-Scale Operational Networks", MobiSys 2016), here of a 12 kB frame put to the link at
random times; so stalls of 180 ms on average, some 4 % of the time. The level is a
choice: the link is sometimes the limit for one to four video uplinks."""

LTE = LinkRecipe(
    "lte",
    (RateState(7.2, 15.0), RateState(3.0, 4.0, 3.0), RateState(0.0, 0.6, 1.0)),
    sigma=0.5,
    tau_s=7.0,
    most_mbps=25.0,
    step_ms=100.0,
)
"""Driving under LTE: good, poor, outage. Median 6 Mbit/s (Huang et al., "A Close Examination of
Performance and Power Characteristics of 4G LTE Networks", MobiSys 2012, uplink). In a second the
rate moves by 2.4 Mbit/s (standard deviation) and an outage lasts a second or less (Winstein et al.,
"Sprout", NSDI 2013, section 3.1: 200 packets per second per root second, escape rate 1/s). Within
the range of the LTE uplinks recorded for Mahimahi (ATC 2015), at 100 ms: coefficient of variation
0.6 to 1.2, correlation of the logarithm over a second 0.3 to 0.7, below 0.1 Mbit/s for 0.5 to 14 %
of the time."""

NR = LinkRecipe(
    "nr",
    (RateState(62.0, 6.0), RateState(22.0, 2.0, 2.0), RateState(0.0, 1.2, 1.0)),
    sigma=0.4,
    tau_s=2.0,
    most_mbps=115.0,
    step_ms=100.0,
)
"""Walking under 5G mmWave: in sight, blocked, lost. Within the range of ten walks' uplinks (NUWiNS
data set, 5G-MeMU 2022), at 100 ms: median 38 to 61 Mbit/s, 95th percentile 104 to 114, coefficient
of variation 0.55 to 0.85, below 0.1 Mbit/s for up to 25 % of the time."""


def make(recipe: LinkRecipe, seed: int, seconds: float) -> Trace:
    """A trace of `seconds` by the recipe; the seed is an integer >= 0. Raises ValueError."""
    if seed < 0 or not 0.0 < seconds <= 86_400.0:
        raise ValueError("the seed must be 0 or more and the duration above 0 s, a day at most")
    step_s = recipe.step_ms / 1000.0
    count = math.ceil(seconds / step_s - 1e-9)
    draw = np.random.Generator(np.random.PCG64(seed))
    keep = math.exp(-step_s / recipe.tau_s)
    kick = recipe.sigma * math.sqrt(1.0 - keep * keep)
    state, deviation = 0, recipe.sigma * draw.standard_normal()
    rates = np.empty(count)
    for i in range(count):
        here = recipe.states[state]
        rate_mbps = min(here.median_mbps * math.exp(deviation), recipe.most_mbps)
        rates[i] = round(rate_mbps, 3) * 1e6
        deviation = keep * deviation + kick * draw.standard_normal()
        leave, choice = draw.random(2)
        if leave < 1.0 - math.exp(-step_s / here.stay_s):
            state = _next(recipe.states, state, choice)
    return Trace(
        np.arange(count, dtype=np.float64) * recipe.step_ms,
        np.round(rates, 3),
        seconds * 1000.0,
        name=f"{recipe.kind}-{seed}",
        notes=(f"python -m traces generate {recipe.kind} --seed {seed} --seconds {seconds:g}",),
    )


def wifi(seed: int, seconds: float = 120.0) -> Trace:
    """A WiFi-like uplink, see WIFI."""
    return make(WIFI, seed, seconds)


def lte(seed: int, seconds: float = 120.0) -> Trace:
    """An LTE-like uplink, see LTE."""
    return make(LTE, seed, seconds)


def nr(seed: int, seconds: float = 120.0) -> Trace:
    """A 5G-like (New Radio) uplink, see NR."""
    return make(NR, seed, seconds)


def stepped(seed: int = 0, seconds: float = 140.0) -> Trace:
    """The synthetic trace of Jellyfish (Nigade et al., RTSS 2022): 20, 15, 10, 7.5, 10, 15 and 20
    Mbit/s for 20 s each, then again. It is not random: the seed is ignored."""
    rates = np.array([20.0, 15.0, 10.0, 7.5, 10.0, 15.0, 20.0]) * 1e6
    whole = Trace(
        np.arange(7, dtype=np.float64) * 20_000.0,
        rates,
        140_000.0,
        name="stepped",
        notes=(f"python -m traces generate stepped --seconds {seconds:g}",),
    )
    return whole if seconds == 140.0 else whole.window(0.0, seconds * 1000.0)


KINDS: dict[str, Callable[[int, float], Trace]] = {
    "lte": lte,
    "nr": nr,
    "stepped": stepped,
    "wifi": wifi,
}


def _next(states: tuple[RateState, ...], current: int, choice: float) -> int:
    """The next state, by a random number from 0 to 1."""
    others = [i for i in range(len(states)) if i != current]
    left = choice * sum(states[i].weight for i in others)
    for i in others:
        left -= states[i].weight
        if left < 0.0:
            return i
    return others[-1]
