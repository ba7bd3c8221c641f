"""The nodes as an operator sees them: their beats and reports, and what sets one apart. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, fields
from typing import Any

from edge.fleet.known_node import KnownNode, Liveness
from edge.fleet.report import MissLimits, Report


@dataclass(frozen=True, slots=True)
class Heard:
    """A node's latest report, and when it came (the director's clock)."""

    report: Report
    at_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """One node. None: it has not told, or its version does not tell."""

    node: str
    url: str
    state: Liveness
    silent_ms: int
    stopped: bool = False
    """It is gone, and had said before that it would be: drained, as it ends in order."""
    doubled: bool = False
    version: str = ""
    version_differs: bool = False
    """From that of most nodes; where no version is most nodes', each is marked."""
    incarnation: str = ""
    settings: str = ""
    settings_differ: bool = False
    """From those of most nodes of its version: other versions may know other settings."""
    ready: bool = True
    draining: bool = False
    sessions: int = 0
    room: int = 0
    load: float = 0.0
    in_time: int | None = None
    """Frames of the last minute that were answered in time, as `missed`."""
    missed: int | None = None
    in_time_since_start: int | None = None
    missed_since_start: int | None = None
    sessions_amber: int | None = None
    """Sessions that miss frames of the last ten seconds, in amber."""
    sessions_red: int | None = None
    """The same in red, with those that send none."""
    report_age_ms: int | None = None
    variants: tuple[str, ...] = ()
    """That its sessions can be pinned to."""

    @property
    def missed_share(self) -> float | None:
        """Of the last minute's frames; None: none is known of."""
        if self.in_time is None or self.missed is None:
            return None
        frames = self.in_time + self.missed
        return self.missed / frames if frames else None

    def to_json(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}


def statuses(
    nodes: Iterable[KnownNode],
    heard: Callable[[KnownNode], Heard | None],
    now_ms: float,
    limits: MissLimits,
) -> list[NodeStatus]:
    """By name."""
    known = sorted(nodes, key=lambda node: node.name)
    alive = [node for node in known if node.liveness(now_ms) != "gone"]
    version = _most(node.beat.version for node in alive)
    settings = {
        each: _most(node.beat.settings for node in alive if node.beat.version == each)
        for each in {node.beat.version for node in alive}
    }
    found = []
    for node in known:
        beat, state, told = node.beat, node.liveness(now_ms), heard(node)
        report = None if told is None else told.report
        levels = Counter(row.level(limits) for row in report.sessions) if report else None
        is_alive = state != "gone"
        found.append(
            NodeStatus(
                node=node.name,
                url=beat.url,
                state=state,
                silent_ms=round(node.silent_ms(now_ms)),
                stopped=not is_alive and beat.draining and not beat.ready,
                doubled=node.is_doubled(now_ms),
                version=beat.version,
                version_differs=is_alive and beat.version != version,
                incarnation=beat.incarnation,
                settings=beat.settings,
                settings_differ=is_alive and beat.settings != settings[beat.version],
                ready=beat.ready,
                draining=beat.draining,
                sessions=beat.sessions,
                room=node.room,
                load=round(node.load, 3),
                in_time=None if report is None else report.in_time,
                missed=None if report is None else report.missed,
                in_time_since_start=None if report is None else report.in_time_since_start,
                missed_since_start=None if report is None else report.missed_since_start,
                sessions_amber=None if levels is None else levels["fair"],
                sessions_red=None if levels is None else levels["poor"],
                report_age_ms=None if told is None else round(max(0.0, now_ms - told.at_ms)),
                variants=() if report is None else tuple(report.variants),
            )
        )
    return found


def _most(values: Iterable[Hashable]) -> Hashable | None:
    """The value that more have than any other; None where no single one is."""
    ranked = Counter(values).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]
