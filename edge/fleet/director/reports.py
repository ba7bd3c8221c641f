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
        self._asking: dict[str, asyncio.Task[None]] = {}  # one for each node at most
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._asked_ms = float("-inf")

    def of(self, node: KnownNode) -> Heard | None:
        """None until this process of the node has told; a former one's sessions are gone."""
        heard = self._heard.get(node.name)
        if heard is None or heard.report.incarnation != node.beat.incarnation:
            return None
        return heard

    async def refresh(self) -> None:
        """Ask all nodes that may be alive, unless that was done just now; at most `DEADLINE_S`.

        A node that is late keeps its last report, with its age.
        """
        now = now_ms()
        if now - self._asked_ms >= PERIOD_MS:
            self._asked_ms = now
            for name in [name for name in self._heard if self._view.get(name) is None]:
                del self._heard[name]
            for node in self._view:
                if node.name not in self._asking and node.liveness(now) != "gone":
                    self._asking[node.name] = asyncio.create_task(self._ask(node))
        left_s = DEADLINE_S - (now_ms() - self._asked_ms) / 1000.0
        if self._asking and left_s > 0.0:
            await asyncio.wait(list(self._asking.values()), timeout=left_s)

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
        except ReportError as error:
            log.warning("not_a_report", node=node.name, reason=str(error))
        except Failure as error:
            log.debug("no_report", node=node.name, error=repr(error))
        finally:
            del self._asking[node.name]
