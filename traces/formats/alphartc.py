"""AlphaRTC's JSON (OpenNetLab gym): `uplink.trace_pattern`, a list of steps.

A step has `capacity` (kbit/s), `duration` (ms) and optionally `rtt` and `jitter` (ms) and `loss` (a
share); half of the rtt is taken as delay. These files contain single steps of 80 Mbit/s or 8 Gbit/s
on a link of 3 Mbit/s: bytes that were logged in the wrong step. Rates over `clip` times the 95th
percentile (of those above 0) are cut to that; 0 keeps them. Steps of no duration are left out.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from traces.formats.trace_text import TraceText
from traces.trace import Trace, TraceError

KEYS = ("duration", "capacity", "rtt", "jitter", "loss")


def parse(text: TraceText, *, clip: float = 3.0) -> Trace:
    """Raises TraceError with the step's place in the list (or the line, for broken JSON)."""
    try:
        document: Any = json.loads(text.path.read_text("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise text.error(error.lineno, f"JSON: {error.msg}") from None
    try:
        steps: Any = document["uplink"]["trace_pattern"]
    except (KeyError, TypeError):
        raise text.error(1, "no uplink.trace_pattern") from None
    if not isinstance(steps, list):
        raise text.error(1, "uplink.trace_pattern must be a list")
    rows = [_row(text, i, step) for i, step in enumerate(steps)]
    rows = [row for row in rows if row["duration"] > 0.0]
    if not rows:
        raise text.error(1, "uplink.trace_pattern has no step")
    extras = {key: [row.get(key) for row in rows] for key in ("rtt", "jitter", "loss")}
    for key, values in extras.items():
        if None in values and any(v is not None for v in values):
            raise TraceError(f"{text.path}: {key}: in all steps or in none")
    known = {k: np.array(v, np.float64) for k, v in extras.items() if v[0] is not None}
    ends_ms = np.cumsum([row["duration"] for row in rows])
    rates = np.array([round(row["capacity"] * 1e3, 3) for row in rows])
    notes = []
    if clip > 0.0 and rates.any():
        most = clip * float(np.quantile(rates[rates > 0.0], 0.95))
        spikes = int((rates > most).sum())
        rates = np.minimum(rates, most)
        if spikes:
            notes.append(f"{spikes} spikes cut to {most / 1e6:.3g} Mbit/s")
    return Trace(
        np.concatenate([[0.0], ends_ms[:-1]]),
        rates,
        float(ends_ms[-1]),
        known["rtt"] / 2.0 if "rtt" in known else None,
        known.get("jitter"),
        known.get("loss"),
        name=text.path.stem,
        notes=tuple(notes),
    )


def _row(text: TraceText, place: int, step: Any) -> dict[str, float]:
    where = f"{text.path}: uplink.trace_pattern[{place}]"
    if not isinstance(step, dict):
        raise TraceError(f"{where}: must be an object")
    row: dict[str, float] = {}
    for key in KEYS:
        value = step.get(key)
        if value is None and key not in ("duration", "capacity"):
            continue
        limit = {"loss": 1.0, "capacity": 1e8}.get(key, 1e9)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= limit:
            raise TraceError(f"{where}.{key}: {value!r:.40} must be a number from 0 to {limit:g}")
        row[key] = float(value)
    return row
