"""Requests generated from the API's own description: each is answered as described, logs no
exception, and affects no session but the one it names."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from aiortc import RTCConfiguration, RTCPeerConnection
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from edge.server import Server
from tests.publisher import WhipPublisher, publishing
from tests.serving import base, noise, serving

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
FEW = settings(
    max_examples=30,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
api = schemathesis.openapi.from_path(
    str(Path(__file__).parents[2] / "edge" / "api" / "openapi.yaml")
)


async def _offer() -> str:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("video", direction="sendonly")
    connection.createDataChannel("control")
    await connection.setLocalDescription(await connection.createOffer())
    sdp: str = connection.localDescription.sdp
    await connection.close()
    return sdp


# A stream's answer has no end: tests of its own read it (test_feed.py).
ENDING = api.exclude(operation_id=["feed", "sessionFeed"])
LINES = asyncio.run(_offer()).splitlines()


@st.composite
def _offers(draw: st.DrawFn) -> bytes:
    """Real offers with lines lost, doubled or spoilt."""
    lines = list(LINES)
    for _ in range(draw(st.integers(0, 4))):
        index = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(("lose", "double", "spoil"))):
            case "lose" if len(lines) > 1:
                del lines[index]
            case "double":
                lines.insert(index, lines[index])
            case _:
                lines[index] = lines[index][:2] + draw(st.text(max_size=40))
    return "\r\n".join([*lines, ""]).encode()


schemathesis.openapi.media_type("application/sdp", _offers())
schemathesis.openapi.media_type(
    "application/trickle-ice-sdpfrag",
    st.one_of(st.binary(max_size=200), _offers()),
)


class Errors(logging.Handler):
    """Collects errors and exceptions that are logged: there must be none."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or record.exc_info:
            self.lines.append(self.format(record))


class Running:
    """A server on a loop and thread of its own, with a session that must go on and
    one that may be ended."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._stack = AsyncExitStack()
        self.server: Server
        self.bystander: WhipPublisher
        self.victim: WhipPublisher
        self.do(self._start())
        self.url = base(self.server)

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    async def _start(self) -> None:
        enter = self._stack.enter_async_context
        self.server = await enter(
            serving(
                admin_pictures=True,
                admission=False,
                max_sessions=256,
                max_sessions_per_address=256,
                max_posts_per_minute=100_000,
                max_messages_per_s=10_000,
                media_timeout_s=600,
                slo_ms=5000,  # so that a busy machine is no miss
            )
        )
        frames = noise(128, 96)
        self.bystander = await enter(publishing(base(self.server), frames, fps=10))
        self.victim = await enter(publishing(base(self.server), frames, fps=5))
        await self.bystander.wait_for_answers(1)
        await self.victim.wait_for_answers(1)

    def name(self) -> str:
        """The name of a session that may be ended; a new one if the last has been."""
        session_id = self.victim.location.rsplit("/", 1)[1]
        if self.server.sessions.get(session_id) is None:
            self.do(self._another())
            session_id = self.victim.location.rsplit("/", 1)[1]
        return session_id[:6]

    async def _another(self) -> None:
        self.server.sessions.drain(False)
        self.victim = await self._stack.enter_async_context(
            publishing(base(self.server), noise(128, 96), fps=5)
        )

    async def _cancel_tasks(self) -> None:
        """Cancel the tasks that ICE leaves behind."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def stop(self) -> None:
        self.do(self._stack.aclose())
        self.do(self._cancel_tasks())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:  # the time to close grows with the machine's load
        patch.setattr("edge.rtc.peer_connection._CLOSE_S", 60.0)
        running = Running()
        yield running
        running.stop()


@pytest.fixture(autouse=True)
def errors() -> Iterator[Errors]:
    handler = Errors()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


@ENDING.parametrize()
@FEW
def test_every_route_answers_as_described(
    case: schemathesis.Case[Any], running: Running, errors: Errors
) -> None:
    parameters = case.path_parameters or {}
    if "name" in parameters and len(parameters["name"]) % 2:
        case.path_parameters = {**parameters, "name": running.name()}
    response = case.call(base_url=running.url, timeout=30)
    draining = response.status_code == 503 and case.method == "POST"
    busy_file = response.status_code == 503 and "no_history" in response.text
    is_answer = draining or busy_file or case.path == "/readyz"  # 503 is what these answer
    checks = CHECKS[1:] if is_answer else CHECKS
    case.validate_response(response, checks=checks)
    assert not errors.lines


def test_no_other_session_was_affected(running: Running, errors: Errors) -> None:
    running.do(running.bystander.wait_for_answers(3))
    assert running.bystander.of_type("bye") == []
    assert not errors.lines
