"""Messages between publisher and server, as values. Pure: times are arguments, in ms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.client.frame_outcomes import ReportInterval, quantiles


@dataclass(frozen=True, slots=True)
class ReceivedHint:
    """A `hint` message, and its arrival (Unix ms of the publisher's clock)."""

    seq: int
    max_edge: int
    fps: float
    max_bps: float
    variant: str
    reason: str
    at_ms: float

    @classmethod
    def read(cls, message: Mapping[str, Any], at_ms: float) -> ReceivedHint:
        """From the message's JSON."""
        fields = ("seq", "max_edge", "fps", "max_bps", "variant", "reason")
        return cls(**{name: message[name] for name in fields}, at_ms=at_ms)


def report(
    interval: ReportInterval,
    size: tuple[int, ...],
    estimate_bps: float | None,
    rtt_ms: float | None,
) -> dict[str, Any]:
    """The fields of a `report` message, without `fps`."""
    width, height = size or (None, None)
    shown = quantiles(interval.latencies_ms, (50, 99))
    return {
        "available_bps": estimate_bps,
        "rtt_ms": rtt_ms,
        "width": width,
        "height": height,
        "shown": {
            "n": len(interval.latencies_ms),
            "late": interval.late,
            **{f"{name}_ms": value for name, value in shown.items()},
        },
        "back_ms": quantiles(interval.back_ms, (50, 99)) or None,
    }
