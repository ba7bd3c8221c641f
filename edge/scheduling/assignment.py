"""The planner's input from a session, and its output to it: plain values."""

from __future__ import annotations

from dataclasses import dataclass

from edge.profile.latency import Size


@dataclass(frozen=True, slots=True)
class Pins:
    """An operator's fixed choices for a session; None is left to the plan.

    `variant` serves it, `long_side` is that of the pictures that it sends, in pixels.
    """

    variant: str | None = None
    long_side: int | None = None


NO_PINS = Pins()


@dataclass(frozen=True, slots=True)
class SessionSnapshot:
    """The planner's view of a session at a moment.

    `fps` is the frame rate asked for, `size` the picture's (any scale), `budget_ms` the part of its
    SLO that is left for queueing and inference, `is_inference_measured` whether devices have
    answered its own frames, `link_bps` what its link carries in time, `sent_long_side` the long
    side of its latest hint (0: none), `networks` those that may serve it (none: the default one).
    """

    id: str
    slo_ms: float
    fps: float
    size: Size
    budget_ms: float
    is_inference_measured: bool
    link_bps: float
    sent_long_side: int = 0
    pins: Pins = NO_PINS
    networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assignment:
    """A session's part of a plan, and the reason for it.

    `variant` is the best for its frames (None: they can't be served). `long_side` and `useful_bps`
    are the picture size in pixels and the highest bitrate that raises the F1. `gain` is the
    F1 that a frame gains if the session changes from the size that it sends now. `fallbacks`, for a
    session that several networks may serve: names of the faster variants for frames that the best
    one would be too slow for, best first. Each next one is faster. `f1` is what the plan expects of
    its frames, `f1_alone` what it would with a device to itself; None: not served.
    """

    variant: str | None
    long_side: int
    useful_bps: float
    gain: float
    reason: str
    f1: float | None = None
    f1_alone: float | None = None
    fallbacks: tuple[str, ...] = ()

    @property
    def f1_share(self) -> float:
        """What it has of its accuracy alone, 0 to 1; 1 where nothing is promised."""
        return self.f1 / self.f1_alone if self.f1 is not None and self.f1_alone else 1.0


def mbit(bps: float) -> str:
    """A rate in words: "1.2 Mbit/s", "340 kbit/s"."""
    return f"{bps / 1e6:.1f} Mbit/s" if bps >= 950_000 else f"{round(bps, -4) / 1e3:.0f} kbit/s"
