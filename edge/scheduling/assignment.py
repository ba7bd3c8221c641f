"""What a session tells the planner, and what it is told: plain values."""

from __future__ import annotations

from dataclasses import dataclass

from edge.profile.latency import Size


@dataclass(frozen=True, slots=True)
class Pins:
    """What an operator has fixed for a session: the variant that serves it, the longest side that
    it sends, in pixels. None is left to the plan."""

    variant: str | None = None
    long_side: int | None = None


NO_PINS = Pins()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known of a session at a moment.

    `fps` is what it is asked to send, `size` its picture's (any scale), `left_ms` what its SLO
    leaves for queueing and inference, `tried` whether inference was measured on its own frames,
    `bps` what its link carries in time, `sent_edge` the longest side that it was hinted (0: none).
    """

    id: str
    slo_ms: float
    fps: float
    size: Size
    left_ms: float
    tried: bool
    bps: float
    sent_long_side: int = 0
    pins: Pins = NO_PINS


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one session is to do: the best variant for its frames (None: they can't be served),
    the longest side and the most bits a second that are worth sending, the F1 that a frame gains
    if what is sent now gives way to that edge, and why."""

    variant: str | None
    long_side: int
    useful_bps: float
    gain: float
    reason: str
