"""Mahimahi's `.up` and `.down`: a millisecond a line, at which one packet of 1500 bytes may leave.

Netravali et al., "Mahimahi: Accurate Record-and-Replay for HTTP", ATC 2015. The file repeats after
its last millisecond. Opportunities are counted in bins, which keeps their sum and loses their times
within a bin; a last bin shorter than half joins the one before. Several opportunities in one
millisecond are common; times that go back are refused.
"""

from __future__ import annotations

import numpy as np

from traces.formats.trace_text import TraceText
from traces.trace import Trace

OPPORTUNITY_BITS = 1500 * 8


def parse(text: TraceText, *, bin_ms: float = 100.0) -> Trace:
    """Rates as means over `bin_ms`. Raises TraceError with the line."""
    if not bin_ms >= 1.0:
        raise text.error(1, "bin_ms: at least 1")
    stamps: list[float] = []
    for number, line in text.lines:
        if line.startswith("#"):
            continue
        stamp = text.number(number, line, "millisecond")
        if stamps and stamp < stamps[-1]:
            raise text.error(number, "times must not go back")
        stamps.append(stamp)
    if not stamps or stamps[-1] <= 0.0:
        raise text.error(text.lines[-1][0], "the last time must be above 0: it is the duration")
    duration_ms = stamps[-1]
    count = max(1, round(duration_ms / bin_ms))
    bin_edges_ms = np.append(np.arange(count) * bin_ms, duration_ms)
    opportunities = np.histogram(stamps, bin_edges_ms)[0]
    return Trace(
        bin_edges_ms[:-1],
        opportunities * OPPORTUNITY_BITS * 1000.0 / np.diff(bin_edges_ms),
        duration_ms,
        name=text.path.stem,
        notes=(f"{len(stamps)} opportunities of 1500 bytes, counted in bins of {bin_ms:g} ms",),
    )
