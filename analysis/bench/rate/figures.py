"""Figures of one run's frames, and those of an oracle on the same link. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

LIMITS_MS = (75.0, 100.0, 150.0)
LEAST_BPS = 100e3  # the least useful bitrate
RTP_PER_MS = 90.0
CALM_MS, CALM_FRAMES = 60.0, 5


class LinkConditions(Protocol):
    """A link's rate over time, as `traces.Trace` has it."""

    def finish_ms(self, start_ms: float, bits: float) -> float: ...

    def capacity_bits(self, start_ms: float, end_ms: float) -> float: ...


@dataclass(frozen=True, slots=True)
class FrameTiming:
    """When a frame left the encoder (ms from the link's start), its bits, and the ms until its last
    packet arrived (infinite if it never did). Without bits, the encoder left it out."""

    at_ms: float
    bits: float
    network_ms: float

    @property
    def sent(self) -> bool:
        return self.bits > 0.0


@dataclass(frozen=True, slots=True)
class RateFigures:
    """Figures of one run. Times in ms are of the frames sent. `late` and `infeasible` are shares of
    the captured frames, one for each of `LIMITS_MS`, `late_feasible` of the feasible ones; a frame
    that was not sent is late."""

    frames: int
    p50: float
    p99: float
    worst: float
    late: tuple[float, ...]
    late_feasible: tuple[float, ...]
    infeasible: tuple[float, ...]
    bps: float
    crossing_ms: float | None = None  # of an ordinary frame's bits at the link's rate
    recovery_ms: float | None = None
    step_worst: float | None = None
    used: float | None = None
    start_bps: float | None = None
    qp: float = math.nan
    edge: float = math.nan  # the pictures' mean long side, in pixels
    unsent: float = 0.0  # share of the captured frames

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RateFigures:
        """The figures that `to_json` wrote, possibly among other values."""
        found = {each.name: values[each.name] for each in fields(cls) if each.name in values}
        for name in ("late", "late_feasible", "infeasible"):
            found[name] = tuple(found[name])
        for name in ("p50", "p99", "worst"):
            found[name] = math.inf if found[name] is None else found[name]
        for name in ("qp", "edge"):
            found[name] = math.nan if found.get(name) is None else found[name]
        return cls(**found)

    def to_json(self) -> dict[str, Any]:
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }


def quantile(values: Sequence[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def with_unsent(
    frames: Sequence[FrameTiming], rtps: Sequence[int], fps: float
) -> list[FrameTiming]:
    """The frames, and those that the encoder left out, found by gaps between RTP timestamps."""
    made: list[FrameTiming] = []
    interval_ms = 1000.0 / fps
    for index, frame in enumerate(frames):
        if index:
            apart_ms = ((rtps[index] - rtps[index - 1]) & 0xFFFFFFFF) / RTP_PER_MS
            gone = round(apart_ms / interval_ms) - 1
            ages_ms = [back * interval_ms for back in range(gone, 0, -1)]
            made += [FrameTiming(frame.at_ms - age_ms, 0.0, math.inf) for age_ms in ages_ms]
        made.append(frame)
    return made


def feasible(link: LinkConditions, at_ms: float, fps: float, limit_ms: float) -> bool:
    """Whether a frame at the least useful bitrate could cross an empty queue in time."""
    return link.finish_ms(at_ms, LEAST_BPS / fps) - at_ms <= limit_ms


def summarise(
    frames: Sequence[FrameTiming], link: LinkConditions, fps: float, seconds: float
) -> RateFigures:
    """The figures that every kind of cell has. Raises ValueError without frames."""
    times = [frame.network_ms for frame in frames if frame.sent]
    if not times:
        raise ValueError("no frame was encoded")
    late, late_feasible, infeasible = [], [], []
    for limit_ms in LIMITS_MS:
        could = [feasible(link, frame.at_ms, fps, limit_ms) for frame in frames]
        missed = [frame.network_ms > limit_ms for frame in frames]
        late.append(sum(missed) / len(frames))
        infeasible.append(could.count(False) / len(frames))
        both = sum(m and c for m, c in zip(missed, could, strict=True))
        late_feasible.append(both / max(1, could.count(True)))
    return RateFigures(
        frames=len(frames),
        p50=quantile(times, 0.5),
        p99=quantile(times, 0.99),
        worst=max(times),
        late=tuple(late),
        late_feasible=tuple(late_feasible),
        infeasible=tuple(infeasible),
        bps=sum(frame.bits for frame in frames) / seconds,
        unsent=1.0 - len(times) / len(frames),
    )


def mean_bps(frames: Sequence[FrameTiming], from_ms: float, to_ms: float) -> float:
    return sum(f.bits for f in frames if from_ms <= f.at_ms < to_ms) * 1000.0 / (to_ms - from_ms)


def worst_ms(frames: Sequence[FrameTiming], from_ms: float, to_ms: float) -> float:
    inside = (f.network_ms for f in frames if f.sent and from_ms <= f.at_ms < to_ms)
    return max(inside, default=math.nan)


def recovery_ms(frames: Sequence[FrameTiming], step_ms: float) -> float:
    """ms from the step to the first of `CALM_FRAMES` in a row that each cross within `CALM_MS`."""
    after = [frame for frame in frames if frame.sent and frame.at_ms >= step_ms]
    for index in range(len(after) - CALM_FRAMES + 1):
        if all(frame.network_ms < CALM_MS for frame in after[index : index + CALM_FRAMES]):
            return after[index].at_ms - step_ms
    return math.inf


def oracle(
    link: LinkConditions, times_ms: Sequence[float], fps: float, cap_bps: float, limit_ms: float
) -> tuple[float, float]:
    """(share late, bits a second) of a sender that knows the link: each frame is as large as can
    cross in time; one that cannot even at the least useful bitrate is not sent."""
    free_ms, bits, late = -math.inf, 0.0, 0
    for at_ms in times_ms:
        start_ms = max(at_ms, free_ms)
        most = (
            link.capacity_bits(start_ms, at_ms + limit_ms) if start_ms < at_ms + limit_ms else 0.0
        )
        # It must not delay the next frame: each has one frame interval of the link.
        share = link.capacity_bits(start_ms, max(start_ms, at_ms) + 1000.0 / fps)
        size = min(cap_bps / fps, most, max(share, LEAST_BPS / fps))
        if size < LEAST_BPS / fps:
            late += 1
            continue
        bits += size
        free_ms = link.finish_ms(start_ms, size)
    seconds = len(times_ms) / fps
    return late / max(1, len(times_ms)), bits / max(seconds, 1e-9)


def satisfies(value: float | None, rule: Callable[[float], bool]) -> bool:
    """Whether there is a value, and the rule holds for it."""
    return value is not None and not math.isnan(value) and rule(value)
