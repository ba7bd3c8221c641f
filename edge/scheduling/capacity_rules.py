"""The two capacity rules, in whole numbers so that sums and comparisons are exact.

`single`: a GPU runs one variant at one batch size. A client's budget is at least twice the
batch's latency (its frame may just miss a batch, and then waits one out); the summed frame rate
is below batch / latency. `shared`: a GPU runs a batch of each of its resident variants in turn.
The cycle is the sum of their latencies; a client's budget is at least the cycle plus its own
batch's latency; a variant's summed frame rate is below batch / cycle. With one variant the two
are the same, so both are written here as `shared`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Rule = Literal["single", "shared"]
Integers = NDArray[np.int64]

PER_SECOND = 10**15  # nanoseconds in a second times micro-hertz in a hertz


def nanoseconds(ms: ArrayLike) -> Integers:
    """Times in ns."""
    return np.rint(np.asarray(ms, dtype=np.float64) * 1e6).astype(np.int64)


def microhertz(fps: ArrayLike) -> Integers:
    """Rates in 1e-6 frames a second."""
    return np.rint(np.asarray(fps, dtype=np.float64) * 1e6).astype(np.int64)


def need(cycle_ns: Integers, own_ns: Integers) -> Integers:
    """The least budget that a variant's clients may have, ns."""
    return cycle_ns + own_ns


def capacity(batch: Integers, cycle_ns: Integers) -> Integers:
    """The greatest summed rate below batch / cycle, 1e-6 frames a second."""
    return np.asarray((batch * PER_SECOND - 1) // cycle_ns)
