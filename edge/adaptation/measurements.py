"""A session's measurements at one moment: the input of every decision about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMeasurements:
    """The link between publisher and server; None where nothing was measured yet."""

    capacity_bps: float | None = None
    """By the packets' arrivals; infinite where the publisher controls its own rate."""
    available_bps: float | None = None
    """The publisher's own estimate; used only while the capacity is unknown."""
    queue_ms: float = 0.0
    """Time that packets wait on the link beyond the least they need."""
    loss: float = 0.0
    """Share of the packets lost, 0 to 1."""
    frame_bits: float | None = None
    """Size of a usual frame under the cap in force."""
    network_ms: float | None = None
    """95th percentile of the time from capture to a frame's last packet."""
    network_low_ms: float | None = None
    """10th percentile of the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMeasurements(LinkMeasurements):
    """The link, the session's objective and the part of it that each leg leaves to the others."""

    slo_ms: float
    fps: float
    """Frames a second that the publisher would like to send."""
    network_budget_ms: float | None = None
    """The SLO less the 95th percentiles of all legs but the network."""
    processing_budget_ms: float | None = None
    """The SLO less the medians of network, decoding and return: for queueing and inference."""
    is_inference_measured: bool = False
    """Whether inference was measured on this session's own frames."""
    size: tuple[int, int] | None = None
    """Width and height of the last picture in pixels."""
