"""The server of a run, as a process of its own: `python -m netem.experiment.server_main
SETUP.json`.

It runs `edge.server.Server` or the baseline, and reports to the runner on standard output, one JSON
object a line: {"url"} once it accepts sessions, {"live", "session"} when a client has received its
first answer. It records each plan. It ends with its standard input, so also when the runner is
killed.
"""

from __future__ import annotations

import asyncio
import csv
import dataclasses
import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from edge.base.clock import now_ms
from edge.config import Settings, load
from edge.observability import garbage_collector
from edge.scheduling.assignment import SessionSnapshot
from edge.server import Server
from netem.baseline.server import BaselineServer
from netem.results.csv_values import text_of
from netem.results.rows import PlanRow
from netem.results.run_folder import columns

_POLL_S = 0.05  # between two looks for clients that have become live
_LABEL = re.compile(r"client (\d+)")


@dataclass(frozen=True)
class RunSetup:
    """The server's settings. `baseline`: (network's input side, sent long side, bits a second)."""

    settings: dict[str, Any]
    plans: str
    baseline: tuple[int, int, int] | None = None


def label_of(client: int) -> str:
    """The label of the client with that number."""
    return f"client {client}"


class PlanLog:
    """Writes each plan as CSV, a line a session; times are on the monotonic clock."""

    def __init__(self, server: Server, file: TextIO) -> None:
        self._server = server
        self._count = 0
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(columns(PlanRow))

    def write(self, snapshots: Sequence[SessionSnapshot]) -> None:
        """Write the plan that has just come into force."""
        controller = self._server.controller
        self._count += 1
        at_ms = now_ms()
        for snapshot in snapshots:
            session = self._server.sessions.get(snapshot.id)
            match = _LABEL.fullmatch(session.label) if session else None
            assignment = controller.assignments.get(snapshot.id)
            if match is None or assignment is None:
                continue
            row = PlanRow(
                at_ms=at_ms,
                plan=self._count,
                solve_ms=controller.solve_ms,
                client=int(match[1]),
                session=snapshot.id[:6],
                slo_ms=snapshot.slo_ms,
                fps=snapshot.fps,
                left_ms=snapshot.budget_ms,
                bps=snapshot.link_bps,
                hinted_edge=snapshot.sent_long_side,
                variant=assignment.variant or "",
                edge=assignment.long_side,
                useful_bps=assignment.useful_bps,
                gain=assignment.gain,
                reason=assignment.reason,
            )
            self._writer.writerow([text_of(value) for value in dataclasses.astuple(row)])


async def serve(setup: RunSetup, plans: TextIO) -> None:
    """Serve until standard input ends."""
    server = _made(load(**setup.settings), setup, plans)
    await server.start()
    garbage_collector.freeze()
    watching = asyncio.create_task(_watch(server))
    try:
        _report(url=server.url)
        await _input_ended()
    finally:
        watching.cancel()
        await server.stop()


def _made(settings: Settings, setup: RunSetup, file: TextIO) -> Server | BaselineServer:
    if setup.baseline is not None:
        csv.writer(file, lineterminator="\n").writerow(columns(PlanRow))
        return BaselineServer(settings, *setup.baseline)
    server = Server(settings, on_progress=lambda text: print(text, file=sys.stderr))
    server.controller.on_plan = PlanLog(server, file).write
    return server


async def _watch(server: Server | BaselineServer) -> None:
    reported: set[str] = set()
    while True:
        for session, label, answered in _sessions(server):
            if answered and session not in reported:
                reported.add(session)
                _report(live=label, session=session[:6])
        await asyncio.sleep(_POLL_S)


def _sessions(server: Server | BaselineServer) -> Iterator[tuple[str, str, int]]:
    if isinstance(server, BaselineServer):
        for guest in list(server.sessions.values()):
            yield guest.id, guest.label, guest.answered
    else:
        for session in server.sessions:
            outcomes = session.view(now_ms()).outcomes
            answered = outcomes.get("in_time", 0) + outcomes.get("answered_late", 0)
            yield session.id, session.label, answered


def _report(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


async def _input_ended() -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def look() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            ended.set()

    loop.add_reader(sys.stdin.fileno(), look)
    await ended.wait()


def main() -> None:
    """Run the process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("aiortc", "aioice", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    setup = RunSetup(**json.loads(Path(sys.argv[1]).read_text()))
    with Path(setup.plans).open("w", newline="", buffering=1) as plans:
        asyncio.run(serve(setup, plans))


if __name__ == "__main__":
    main()
