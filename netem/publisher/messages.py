"""What a publisher and the server tell each other, as values. Pure: times are arguments, in ms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netem.footage.encoded_clip import Rendition
from netem.publisher.frame_outcomes import ReportInterval, quantiles


@dataclass(frozen=True, slots=True)
class ReceivedHint:
    """What the server asked for, and when it came (our clock, Unix ms)."""

    seq: int
    max_edge: int
    fps: float
    max_bps: float
    variant: str
    reason: str
    at_ms: float

    @classmethod
    def read(cls, message: Mapping[str, Any], at_ms: float) -> ReceivedHint:
        """A `hint` message."""
        fields = ("seq", "max_edge", "fps", "max_bps", "variant", "reason")
        return cls(**{name: message[name] for name in fields}, at_ms=at_ms)


@dataclass(frozen=True, slots=True)
class RenditionChange:
    """A change of the sent rendition, and the capture time of its first frame (Unix ms)."""

    rendition: Rendition
    width: int
    height: int
    at_ms: float

    def to_json(self) -> dict[str, Any]:
        """The change as `publish --json` writes it."""
        rung = {"edge": self.rendition.long_side, "bits": self.rendition.bits}
        return {"rung": rung, "width": self.width, "height": self.height, "at_ms": self.at_ms}


def exchange(pong: Mapping[str, float], at_ms: float) -> tuple[float, float]:
    """(round trip, the server's clock less ours) of a ping, as in NTP (RFC 5905, section 8)."""
    there_ms, back_ms = pong["t1_ms"] - pong["t0_ms"], at_ms - pong["t2_ms"]
    return there_ms + back_ms, (there_ms - back_ms) / 2.0


def report(
    interval: ReportInterval,
    size: tuple[int, ...],
    estimate_bps: float | None,
    rtt_ms: float | None,
) -> dict[str, Any]:
    """A report's fields, and `sent`: frames since the last one."""
    width, height = size or (None, None)
    shown = quantiles(interval.latencies_ms, (50, 99))
    return {
        "sent": interval.sent,
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


def refusal(text: str) -> str:
    """A refusal's own words."""
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text[:200] or "no reason given"
