"""NUWiNS `*_throughput.list` (5G-MeMU 2022): runs, each a `Run N` line and lines of values.

A run has, for each leg, a line of seconds and a line of Mbit/s; or a single line of Mbit/s, one
value every 100 ms. The 5G walks have two legs: 1 is 5G, 2 the LTE anchor. Gaps over ten usual steps
are closed; times that go back are refused.
"""

from __future__ import annotations

import numpy as np

from traces.formats.trace_text import TraceText, close_gaps, usual_step_ms
from traces.trace import Series, Trace

STEP_MS = 100.0


def parse(text: TraceText, *, run: float = 1, leg: float = 1) -> Trace:
    """One leg of one run, both counted from 1. Raises TraceError with the line."""
    if "ping" in text.path.stem:  # looks the same otherwise
        raise text.error(1, "round-trip times, not rates: read the *_throughput.list")
    runs: dict[int, list[tuple[int, str]]] = {}
    current: list[tuple[int, str]] | None = None
    for number, line in text.lines:
        if line.startswith("#"):
            continue
        if line.lower().startswith("run"):
            current = runs.setdefault(int(text.number(number, line[3:].strip(), "run")), [])
        elif current is None:
            raise text.error(number, "values before the first `Run N`")
        else:
            current.append((number, line))
    if int(run) not in runs:
        raise text.error(text.lines[-1][0], f"no run {run:g}; there are {sorted(runs)}")
    lines = runs[int(run)]
    legs = max(1, len(lines) // 2)
    if not lines or not 1 <= leg <= legs:
        raise text.error(text.lines[-1][0], f"run {run:g} has no leg {leg:g}")
    number, values = lines[min(2 * int(leg) - 1, len(lines) - 1)]
    rates = np.array([text.bits(number, word, 1e6, "Mbit/s") for word in values.split(",")])
    at_ms, gaps = np.arange(len(rates), dtype=np.float64) * STEP_MS, 0
    if len(lines) > 1:
        at_ms, gaps = _times(text, *lines[2 * int(leg) - 2])
        if len(at_ms) != len(rates):
            raise text.error(number, f"{len(rates)} rates, but {len(at_ms)} times")
    return Trace(
        at_ms,
        rates,
        float(at_ms[-1]) + usual_step_ms(at_ms),
        name=f"{text.path.stem} run {run:g} leg {leg:g}",
        notes=(f"{gaps} gaps closed",) * bool(gaps),
    )


def _times(text: TraceText, number: int, line: str) -> tuple[Series, int]:
    seconds = np.array([text.number(number, word, "seconds") for word in line.split(",")])
    back = np.flatnonzero(np.diff(seconds) <= 0.0)
    if len(back):
        raise text.error(number, f"times must ascend, but value {back[0] + 2} does not")
    return close_gaps(np.round((seconds - seconds[0]) * 1000.0, 6))
