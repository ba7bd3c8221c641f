"""A frame that asks to be served, and what can become of it."""

from dataclasses import dataclass
from typing import Literal

Size = tuple[int, int]
Reason = Literal["superseded", "late", "overload", "no_plan"]


@dataclass(frozen=True, slots=True, eq=False)
class FrameRequest:
    """One decoded frame. Times are server-monotonic ms, `size` is (width, height) in pixels."""

    session: str
    rtp: int
    size: Size
    ready_ms: float
    """When it was decoded."""
    deadline_ms: float
    """When its result must have left the device."""
    variants: tuple[str, ...]
    """What it may be served with, best first."""
    payload: object = None


@dataclass(frozen=True, slots=True)
class Drop:
    """A frame that won't be served.

    `superseded`: a newer frame of its session came; `late`: could not have ended in time even on
    an idle device when it became ready; `overload`: could have, but queueing ate it; `no_plan`: no
    device is there, or none knows any of its variants, or its session is gone.
    """

    request: FrameRequest
    reason: Reason


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A batch for a device that was idle: all its frames share the variant and the input size."""

    device: int
    variant: str
    input_size: Size
    requests: tuple[FrameRequest, ...]
    expected_end_ms: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, and when to ask again at the latest."""

    dispatches: tuple[Dispatch, ...] = ()
    drops: tuple[Drop, ...] = ()
    wake_ms: float | None = None
