"""Why frames were missed: episodes of misses, each with what led to it and what followed.

An *episode* is the misses of one client that are no further than `GAP_MS` apart; its cause is
looked for at its first frame, since the later ones mostly follow from it: a queue that has to
drain, a reference that is gone, an encoder that saves the bits it has overspent. Pure: rows in,
episodes out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from netem.results.rows import ENCODER, IN_TIME, LATE, PACED, FrameRow, HintRow, LinkRow

GAP_MS = 500.0
LEAD_MS = 400.0  # frames captured so long before the first miss may have caused it
TYPICAL_MS = 2_000.0  # the median size and rate are taken over this time before
LARGE = 2.5  # times the median size
DIP = 0.6  # of the median rate
HALF = 0.5  # of the objective: one leg, one frame or one queue that takes more is the cause
AROUND_MS = 1_000.0  # hints shown from so long before the first miss to the last one

CAUSES = {
    "encoder": "the encoder left the frame out, or took over half of the objective",
    "server": "the frame had arrived; the server was late with it or refused it",
    "return path": "the answer took over half of the objective",
    "link dip": f"the link's rate fell below {DIP:g} of what it was",
    "large key frame": f"a key frame of over {LARGE:g} times the usual size",
    "large frame": f"a frame of over {LARGE:g} times the usual size, not a key frame",
    "queue overflow": "packets dropped by the bottleneck's full queue",
    "loss": "packets lost on the link",
    "queue": "what was sent before still filled the bottleneck's queue",
    "unexplained": "none of these",
}


@dataclass(frozen=True, slots=True)
class LinkMoment:
    """An uplink around a frame: rates in bit/s, packets since `LEAD_MS` before."""

    rate_bps: float
    usual_bps: float
    lowest_bps: float
    backlog_bytes: int
    dropped: int
    lost: int

    @property
    def queue_ms(self) -> float:
        """How long the backlog needs at the rate in force."""
        return 8000.0 * self.backlog_bytes / self.rate_bps if self.rate_bps else float("inf")


@dataclass(frozen=True, slots=True)
class Episode:
    """Misses that belong together."""

    client: int
    cause: str
    frames: tuple[FrameRow, ...]
    """The missed ones, in order of capture."""
    leading: FrameRow
    """The frame that the cause was found at: the first miss, or one sent shortly before it."""
    usual_bytes: float | None
    link: LinkMoment | None
    hints: tuple[HintRow, ...]

    @property
    def began_ms(self) -> float:
        return self.frames[0].captured_ms

    @property
    def lasted_ms(self) -> float:
        return self.frames[-1].captured_ms - self.began_ms

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(frame.outcome for frame in self.frames)


def episodes(
    frames: Iterable[FrameRow],
    links: Iterable[LinkRow],
    hints: Iterable[HintRow],
    slo_ms: Sequence[float],
    *,
    infeasible: bool = False,
) -> list[Episode]:
    """All episodes of a run's measured frames, the largest first.

    `slo_ms` is indexed by the client. A miss is a frame that was not answered in time and was not
    left out on request (`paced`); infeasible ones count only if asked for.
    """
    found: list[Episode] = []
    all_frames, all_links, all_hints = [*frames], [*links], [*hints]
    for client in sorted({row.client for row in all_frames}):
        history = ClientHistory(
            [row for row in all_frames if row.client == client],
            [row for row in all_links if row.client == client],
            [row for row in all_hints if row.client == client],
            slo_ms[client],
        )
        found += history.episodes(infeasible)
    return sorted(found, key=lambda each: (-len(each.frames), each.client, each.began_ms))


class ClientHistory:
    """One client's rows in order of time."""

    def __init__(
        self,
        frames: Sequence[FrameRow],
        links: Sequence[LinkRow],
        hints: Sequence[HintRow],
        slo_ms: float,
    ) -> None:
        self._frames = sorted(frames, key=lambda row: row.captured_ms)
        self._links = sorted(links, key=lambda row: row.at_ms)
        self._link_times = [row.at_ms for row in self._links]
        self._hints = sorted(hints, key=lambda row: row.at_ms)
        self._slo_ms = slo_ms

    def episodes(self, infeasible: bool) -> list[Episode]:
        groups: list[list[FrameRow]] = []
        for row in self._frames:
            if row.measured and is_miss(row) and (infeasible or not row.infeasible):
                if groups and row.captured_ms - groups[-1][-1].captured_ms <= GAP_MS:
                    groups[-1].append(row)
                else:
                    groups.append([row])
        return [self._episode(group) for group in groups]

    def _episode(self, missed: Sequence[FrameRow]) -> Episode:
        first, last = missed[0], missed[-1]
        link = self._link_at(first.captured_ms)
        usual = self._usual_bytes(first.captured_ms)
        cause, leading = self._cause(first, link, usual)
        return Episode(
            client=first.client,
            cause=cause,
            frames=tuple(missed),
            leading=leading,
            usual_bytes=usual,
            link=link,
            hints=tuple(
                hint
                for hint in self._hints
                if first.captured_ms - AROUND_MS <= hint.at_ms <= last.captured_ms
            ),
        )

    def _cause(
        self, first: FrameRow, link: LinkMoment | None, usual: float | None
    ) -> tuple[str, FrameRow]:
        own = self._own_cause(first)
        if own is not None:
            return own, first
        if link is not None and link.lowest_bps < DIP * link.usual_bps:
            return "link dip", first
        for row in [first, *reversed(self._before(first))]:
            if row.bytes is not None and usual is not None and row.bytes > LARGE * usual:
                return ("large key frame" if row.key else "large frame"), row
        if link is not None and link.dropped:
            return "queue overflow", first
        if link is not None and link.lost:
            return "loss", first
        if link is not None and link.queue_ms > HALF * self._slo_ms:
            return "queue", first
        return "unexplained", first

    def _own_cause(self, row: FrameRow) -> str | None:
        """The cause where the link had no part in it."""
        half_ms = HALF * self._slo_ms
        if row.outcome == ENCODER:
            return "encoder"
        if row.sent_ms is not None and row.sent_ms - row.captured_ms > half_ms:
            return "encoder"
        if row.outcome in ("overload", "no_plan", "failed", "too_large"):
            return "server"
        if row.received_ms is None or row.received_ms - row.captured_ms > half_ms:
            return None
        if row.outcome != LATE or row.returned_ms is None or row.inferred_ms is None:
            return "server"  # it came early enough, and was not answered
        back_ms = row.returned_ms - row.inferred_ms
        return "return path" if back_ms > half_ms else "server"

    def _before(self, row: FrameRow) -> list[FrameRow]:
        since_ms = row.captured_ms - LEAD_MS
        return [each for each in self._frames if since_ms <= each.captured_ms < row.captured_ms]

    def _usual_bytes(self, at_ms: float) -> float | None:
        sizes = [
            row.bytes
            for row in self._frames
            if at_ms - TYPICAL_MS <= row.captured_ms < at_ms and row.bytes is not None
        ]
        return float(median(sizes)) if sizes else None

    def _link_at(self, at_ms: float) -> LinkMoment | None:
        now = bisect_right(self._link_times, at_ms)
        if not now:
            return None
        lead = max(0, bisect_right(self._link_times, at_ms - LEAD_MS) - 1)
        end = bisect_right(self._link_times, at_ms + self._slo_ms)
        usual = self._links[bisect_right(self._link_times, at_ms - TYPICAL_MS) : now]
        around = self._links[lead:end]
        return LinkMoment(
            rate_bps=self._links[now - 1].rate_bps,
            usual_bps=float(median(row.rate_bps for row in usual or around)),
            lowest_bps=min(row.rate_bps for row in around),
            backlog_bytes=self._links[now - 1].backlog_bytes,
            dropped=around[-1].dropped - around[0].dropped,
            lost=around[-1].lost - around[0].lost,
        )


def is_miss(row: FrameRow) -> bool:
    return row.outcome not in (IN_TIME, PACED)


def by_cause(found: Iterable[Episode]) -> list[tuple[str, int, int]]:
    """(cause, episodes, missed frames) of all causes that occur, most frames first."""
    counted: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for each in found:
        counted[each.cause] += 1
        missed[each.cause] += len(each.frames)
    return [(cause, counted[cause], count) for cause, count in missed.most_common()]
