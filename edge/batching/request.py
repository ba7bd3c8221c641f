"""A frame that is to be served, and the batcher's decisions about it: plain values."""

from dataclasses import dataclass
from typing import Literal

Size = tuple[int, int]
Reason = Literal["superseded", "late", "overload", "no_plan", "stopped"]


@dataclass(slots=True, eq=False)
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
    """The variants that it may be served with, best first."""
    payload: object = None
    """Belongs to the caller."""


@dataclass(frozen=True, slots=True)
class Drop:
    """A frame that won't be served, and the reason.

    `superseded`: a newer frame of its session came. `late`: unschedulable on arrival, no device
    could have met its deadline even if idle. `overload`: schedulable on arrival, but its deadline
    expired while it queued. `no_plan`: no device is live, no device has a profile of its variants,
    or its session is gone.
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
    """The batches to start and the frames to drop now, and when to ask again at the latest."""

    dispatches: tuple[Dispatch, ...] = ()
    drops: tuple[Drop, ...] = ()
    wake_ms: float | None = None
