"""Whether all is well with the fleet and, if not, what and where to look. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from edge.fleet.director.node_status import NodeStatus
from edge.fleet.report import MissLimits

Level = Literal["good", "fair", "poor", "idle"]
_ORDER: dict[Level, int] = {"poor": 0, "fair": 1, "good": 2, "idle": 3}

MOST_CAUSES = 8  # that are told; the others are counted
OLD_MS = 5_000.0  # reports come once a second


@dataclass(frozen=True, slots=True)
class Cause:
    """What is wrong, as a sentence; `line` is its short form, for the first line."""

    level: Level
    line: str
    text: str
    node: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`line` in a sentence, and the causes, the worst first."""

    level: Level
    line: str
    causes: tuple[Cause, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def verdict(
    nodes: Sequence[NodeStatus],
    *,
    engine_connected: bool,
    free_sessions: int,
    limits: MissLimits,
) -> Verdict:
    """`free_sessions`: of nodes that take sessions now."""
    here = [node for node in nodes if not node.stopped]
    causes = [
        *_of_fleet(here, engine_connected=engine_connected, free_sessions=free_sessions),
        *(cause for node in here for cause in _of_node(node, engine_connected)),
        *(cause for node in here for cause in _of_misses(node, limits)),
        *_of_differences(here),
    ]
    causes.sort(key=lambda cause: _ORDER[cause.level])
    line = causes[0].line if causes else _well(here)
    if len(causes) > 1:
        line += f" · {len(causes) - 1} more"
    if (left := len(causes) - MOST_CAUSES) > 0:
        rest = Cause(causes[MOST_CAUSES].level, "", f"and {left} more: see the nodes below")
        causes = [*causes[:MOST_CAUSES], rest]
    draining = sum(node.draining and node.state != "gone" for node in here)
    if draining:
        line += f" · {_counted(draining, 'node')} draining"
    level: Level = causes[0].level if causes else "good"
    return Verdict(level, line, tuple(causes))


def _well(nodes: Sequence[NodeStatus]) -> str:
    sessions = sum(node.sessions for node in nodes)
    served = "no session" if not sessions else f"{_counted(sessions, 'session')} in time"
    return f"All is well: {_counted(len(nodes), 'node')}, {served}"


def _of_fleet(
    nodes: Sequence[NodeStatus], *, engine_connected: bool, free_sessions: int
) -> Iterator[Cause]:
    alive = [node for node in nodes if node.state != "gone"]
    if not engine_connected:
        text = "The engine is away: known nodes are asked once a second, new ones are not heard of."
        yield Cause("fair" if alive else "poor", "The engine is away", text)
    if not alive:
        text = "No node is known: is one started with --fleet and this engine's address?"
        yield Cause("poor", "No node", text if not nodes else "Every node is gone.")
    elif free_sessions == 0:
        text = "No node has room: newcomers are refused with 503 until a session ends."
        yield Cause("poor", "No room for newcomers", text)


def _of_node(node: NodeStatus, engine_connected: bool) -> Iterator[Cause]:
    """What is wrong with one node itself."""
    name, silent = node.node, _duration(node.silent_ms)
    if node.state == "gone":
        text = f"has been gone for {silent}: its publishers publish anew at other nodes."
        yield Cause("poor", f"Node {name} is gone", text, name)
        return
    if node.state == "suspect":
        text = f"has been silent for {silent}, and is being asked."
        yield Cause("fair", f"Node {name} is silent", text, name)
    elif node.state == "vouched" and engine_connected:
        text = f"answers, but has not beaten for {silent}: it is cut off from the engine."
        yield Cause("fair", f"Node {name} is cut off from the engine", text, name)
    if node.doubled:
        text = "is the name of two processes: only the first one gets sessions. Give each its own."
        yield Cause("poor", f"Two nodes are called {name}", text, name)
    if not node.ready:
        text = "has no device that takes frames: see its own page."
        yield Cause("poor", f"Node {name} takes no frames", text, name)
    if node.report_age_ms is not None and node.report_age_ms > OLD_MS:
        text = f"has not told of its sessions for {_duration(node.report_age_ms)}."
        yield Cause("fair", f"Figures of node {name} are old", text, name)


def _of_misses(node: NodeStatus, limits: MissLimits) -> Iterator[Cause]:
    """Of its frames in the last minute, and of its sessions in the last ten seconds."""
    if node.state == "gone":
        return
    share, red = node.missed_share or 0.0, node.sessions_red or 0
    sessions = red + (node.sessions_amber or 0)
    if share <= limits.amber and not sessions:
        return
    told = []
    if sessions:
        verb = "misses" if sessions == 1 else "miss"
        of = _counted(max(sessions, node.sessions), "session")
        told.append(f"{sessions} of {of} {verb} the objective, see the first ones below")
    if share > limits.amber:
        told.append(f"{100 * share:.1f} % of its frames were missed in the last minute")
    level: Level = "poor" if red or share > limits.red else "fair"
    yield Cause(
        level, f"Node {node.node} misses frames", f"has misses: {'; '.join(told)}.", node.node
    )


def _of_differences(nodes: Sequence[NodeStatus]) -> Iterator[Cause]:
    if odd := [node.node for node in nodes if node.settings_differ]:
        text = f"Settings differ between nodes: {_names(odd)}. A session is not served alike there."
        yield Cause("fair", "Settings differ between nodes", text)
    alive = [node for node in nodes if node.state != "gone"]
    versions = sorted({node.version for node in alive})
    if len(versions) > 1:
        told = "; ".join(
            f"{version}: {_names([node.node for node in alive if node.version == version])}"
            for version in versions
        )
        yield Cause("fair", "Versions are mixed", f"Versions are mixed: {told}.")


def _names(names: Sequence[str]) -> str:
    """At most four by name."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _duration(ms: float) -> str:
    seconds = ms / 1000.0
    if seconds < 10.0:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120.0 else f"{seconds / 60.0:.0f} min"
