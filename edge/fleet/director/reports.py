"""The nodes' reports of their sessions: asked of all at once, directly, while somebody looks.

Not by the engine: they are the same while it is away, and do not load it.
"""

from __future__ import annotations

import asyncio

from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.fleet.director.node_client import Failure, NodeClient
from edge.fleet.director.node_status import Heard
from edge.fleet.fleet_view import FleetView
from edge.fleet.known_node import KnownNode
from edge.fleet.report import Report, ReportError

log = get_logger("edge.fleet.director.reports")

PERIOD_MS = 900.0  # however many look: nodes make a report a second
DEADLINE_S = 0.5  # for all; what comes later is there the next time
REQUEST_S = 3.0
AT_ONCE = 64  # requests in flight; the others wait their turn


class Reports:
    """The latest of each node; `refresh` and `stop` belong to the event loop."""

    def __init__(self, view: FleetView, client: NodeClient) -> None:
        self._view = view
        self._client = client
        self._heard: dict[str, Heard] = {}
        # One request for each node at most, and when each node's process was last asked.
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._asked: dict[str, tuple[str, float]] = {}
        self._odd: dict[str, str] = {}  # why the last one was no report: told once
        self._turns = asyncio.Semaphore(AT_ONCE)

    def of(self, node: KnownNode) -> Heard | None:
        """None until this process of the node has told; a former one's sessions are gone."""
        heard = self._heard.get(node.name)
        if heard is None or heard.report.incarnation != node.beat.incarnation:
            return None
        return heard

    async def refresh(self) -> None:
        """Ask all nodes that may be alive and were not asked just now; at most `DEADLINE_S`.

        A node that is late keeps its last report, with its age; another process of it is asked at
        once.
        """
        now = now_ms()
        for name in self._asked.keys() - self._asking.keys():
            if self._view.get(name) is None:  # forgotten
                del self._asked[name]
                self._heard.pop(name, None)
                self._odd.pop(name, None)
        for node in self._view:
            if node.name not in self._asking and self._is_due(node, now):
                self._asked[node.name] = (node.beat.incarnation, now)
                self._asking[node.name] = asyncio.create_task(self._ask(node))
        since_s = {name: (now - self._asked[name][1]) / 1000.0 for name in self._asking}
        waited = [self._asking[name] for name, each in since_s.items() if each < DEADLINE_S]
        if waited:
            await asyncio.wait(waited, timeout=DEADLINE_S - min(since_s.values()))

    def _is_due(self, node: KnownNode, now: float) -> bool:
        incarnation, asked_ms = self._asked.get(node.name, ("", 0.0))
        is_new = incarnation != node.beat.incarnation
        return node.liveness(now) != "gone" and (is_new or now - asked_ms >= PERIOD_MS)

    async def stop(self) -> None:
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _ask(self, node: KnownNode) -> None:
        try:
            async with self._turns:
                data = await self._client.report(node.beat, REQUEST_S)
            if data is not None:  # None: of a version that tells nothing
                report = Report.read(data)
                self._heard[node.name] = Heard(report, now_ms())
                self._odd.pop(node.name, None)
        except ReportError as error:
            if self._odd.get(node.name) != str(error):
                self._odd[node.name] = str(error)
                log.warning("not_a_report", node=node.name, reason=str(error))
        except Failure as error:
            log.debug("no_report", node=node.name, error=repr(error))
        finally:
            del self._asking[node.name]
