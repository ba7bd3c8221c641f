"""Jellyfish's traces (Nigade et al., RTSS 2022): a Mbit/s value a line, at even steps."""

from __future__ import annotations

import numpy as np

from traces.formats.trace_text import TraceText
from traces.trace import Trace


def parse(text: TraceText, *, step_ms: float | None = None) -> Trace:
    """A step lasts `step_ms`: by default 1 s, or 20 s if the file's name contains `synthetic`, as
    in the paper. Raises TraceError with the line."""
    if step_ms is None:
        step_ms = 20_000.0 if "synthetic" in text.path.stem else 1_000.0
    if not step_ms > 0.0:
        raise text.error(1, "step_ms: above 0")
    rates = [
        text.bits(number, line, 1e6, "Mbit/s")
        for number, line in text.lines
        if not line.startswith("#")
    ]
    if not rates:
        raise text.error(text.lines[-1][0], "no step in the file")
    return Trace(
        np.arange(len(rates), dtype=np.float64) * step_ms,
        np.array(rates),
        len(rates) * step_ms,
        name=text.path.stem,
        notes=(f"steps of {step_ms:g} ms",),
    )
