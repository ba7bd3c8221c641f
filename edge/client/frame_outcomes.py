"""Every captured frame of a publisher ends in one outcome. Pure: times are arguments, in ms."""

from __future__ import annotations

import collections
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge.adaptation.latency_budget import infeasible

UNANSWERED_MS = 1000.0  # beyond the objective: no answer is expected any more
IN_TIME, LATE, UNANSWERED = "in_time", "late", "unanswered"  # other outcomes are reasons for a drop


@dataclass(slots=True)
class PublishedFrame:
    """A captured frame. Times are Unix ms of the publisher's clock; `t` is the server's own.

    `outcome` is None while the frame is open, then "in_time", "late", "unanswered" or the reason
    for the drop.
    """

    tick: int
    source: int
    rtp: int
    captured_ms: float
    sent_ms: float | None = None  # its last packet left
    size: tuple[int, int] | None = None
    bytes: int = 0
    keyframe: bool = False
    outcome: str | None = None
    infeasible: bool = False
    returned_ms: float | None = None
    variant: str | None = None
    batch: int | None = None
    boxes: Sequence[Sequence[Any]] = ()
    """Class, score, x1, y1, x2, y2, and the track where the server follows things."""
    t: Mapping[str, float] | None = None

    @property
    def latency_ms(self) -> float | None:
        return None if self.returned_ms is None else self.returned_ms - self.captured_ms


@dataclass(frozen=True, slots=True)
class PublisherStats:
    """A publisher's counts: captured = in_time + late + unanswered + pending + sum(dropped).

    `infeasible` is among late and dropped. `back_ms` needs the server's clock, from pings.
    """

    captured: int
    in_time: int
    late: int
    unanswered: int
    pending: int
    infeasible: int
    dropped: dict[str, int]
    latency_ms: dict[str, float]
    sent_bps: float
    sizes: dict[str, int]
    variants: dict[str, int]
    lag_ms: float = 0.0
    """Greatest delay of the capture loop behind its frames' times; large if the machine is busy."""
    resent: int = 0
    """Retransmitted packets."""
    keyframes_asked: int = 0

    @property
    def misses(self) -> float:
        """Share of the ended frames that were not answered in time."""
        ended = self.captured - self.pending
        return 1.0 - self.in_time / ended if ended else 0.0


@dataclass(slots=True)
class ReportInterval:
    """Outcomes since the last report."""

    latencies_ms: list[float] = field(default_factory=list)
    back_ms: list[float] = field(default_factory=list)
    late: int = 0
    sent: int = 0


class FrameOutcomes:
    """A publisher's frames, in order of capture."""

    def __init__(self, slo_ms: float) -> None:
        self.slo_ms = slo_ms
        self.frames: list[PublishedFrame] = []
        self.interval = ReportInterval()
        # By RTP time, oldest first; `expire` bounds it.
        self._open: dict[int, PublishedFrame] = {}

    @property
    def pending(self) -> int:
        return len(self._open)

    def captured(self, frame: PublishedFrame) -> None:
        """Add a frame; one that already has an outcome was not sent."""
        self.frames.append(frame)
        if frame.outcome is None:
            self._open[frame.rtp] = frame
            self.interval.sent += 1

    def answered(
        self, message: Mapping[str, Any], now_ms: float, offset_ms: float | None = None
    ) -> PublishedFrame | None:
        """Take a `detections` message; `offset_ms` is the server's clock minus the publisher's."""
        frame = self._open.pop(message.get("rtp", -1), None)
        if frame is None:
            return None  # expired already, or answered twice
        frame.returned_ms = now_ms
        frame.variant, frame.batch = message.get("variant"), message.get("batch")
        frame.boxes, frame.t = message.get("boxes", ()), message.get("t")
        latency_ms = now_ms - frame.captured_ms
        frame.outcome = IN_TIME if latency_ms <= self.slo_ms else LATE
        self.interval.latencies_ms.append(latency_ms)
        if frame.t is not None and "received" in frame.t:
            if frame.outcome == LATE:
                self.interval.late += 1
                network_ms = frame.t["received"] - frame.t["captured"]
                frame.infeasible = infeasible(self.slo_ms, network_ms)
            if offset_ms is not None:
                self.interval.back_ms.append(max(0.0, now_ms + offset_ms - frame.t["sent"]))
        return frame

    def dropped(self, message: Mapping[str, Any]) -> PublishedFrame | None:
        """Take a `dropped` message."""
        frame = self._open.pop(message.get("rtp", -1), None)
        if frame is not None:
            frame.outcome = str(message.get("reason", "unknown"))
            frame.infeasible = bool(message.get("infeasible"))
        return frame

    def expire(self, now_ms: float) -> None:
        """End the frames whose answer is no longer expected."""
        self._end_unanswered(
            frame
            for frame in list(self._open.values())
            if now_ms - frame.captured_ms > self.slo_ms + UNANSWERED_MS
        )

    def forget(self, before_ms: float) -> None:
        """Drop frames captured earlier, to bound the memory of a long run."""
        count = bisect_left(self.frames, before_ms, key=lambda frame: frame.captured_ms)
        del self.frames[:count]

    def close(self) -> None:
        """End all open frames as unanswered."""
        self._end_unanswered(list(self._open.values()))

    def _end_unanswered(self, frames: Iterable[PublishedFrame]) -> None:
        for frame in frames:
            frame.outcome = UNANSWERED
            del self._open[frame.rtp]

    def report(self) -> ReportInterval:
        """The outcomes since the last call."""
        interval, self.interval = self.interval, ReportInterval()
        return interval

    def stats(self, **more: Any) -> PublisherStats:
        """The counts so far; `more` are the fields that are counted elsewhere."""
        outcomes = collections.Counter(frame.outcome for frame in self.frames)
        counts = {name: outcomes.pop(name, 0) for name in (IN_TIME, LATE, UNANSWERED, None)}
        sent = [frame for frame in self.frames if frame.size is not None]
        latencies = [ms for frame in self.frames if (ms := frame.latency_ms) is not None]
        span_ms = self.frames[-1].captured_ms - self.frames[0].captured_ms if self.frames else 0.0
        bits = 8.0 * sum(frame.bytes for frame in sent[:-1])
        return PublisherStats(
            captured=len(self.frames),
            in_time=counts[IN_TIME],
            late=counts[LATE],
            unanswered=counts[UNANSWERED],
            pending=counts[None],
            infeasible=sum(frame.infeasible for frame in self.frames),
            dropped={str(reason): count for reason, count in sorted(outcomes.items(), key=str)},
            latency_ms=quantiles(latencies),
            sent_bps=1000.0 * bits / span_ms if span_ms else 0.0,
            sizes=dict(collections.Counter(f"{f.size[0]}x{f.size[1]}" for f in sent if f.size)),
            variants=dict(collections.Counter(f.variant for f in sent if f.variant)),
            **more,
        )


def quantiles(values: Sequence[float], of: Sequence[int] = (50, 90, 99)) -> dict[str, float]:
    """{"p50": ...}: percentiles by nearest rank; empty without values."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return {f"p{p}": round(ordered[min(last, p * len(ordered) // 100)], 2) for p in of if ordered}
