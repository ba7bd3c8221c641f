"""What a receiver of single events is told of lost ones: a `gap` in their place."""

from __future__ import annotations

import json

from edge.sinks.event_queue import Batch


def gap_text(batch: Batch, at_s: float) -> str | None:
    """JSON for the events lost before this batch; None if there are none."""
    if not batch.dropped:
        return None
    gap = {
        "type": "gap",
        "dropped": batch.dropped,
        "dropped_total": batch.dropped_total,
        "at": round(at_s, 3),
    }
    return json.dumps(gap, separators=(",", ":"))
