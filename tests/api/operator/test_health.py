"""Liveness and readiness, in each state of a server."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge.api.access.auth import AccessControl
from edge.api.operator.health import HealthEndpoint
from edge.config import load
from edge.session.registry.full_error import FullError
from tests.api.parts import ServerParts, ingest_status, view, worker


async def _get(
    parts: ServerParts, path: str, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    app = web.Application()
    arguments = parts.arguments("sessions", "devices", "ingest", "event_loop")
    access = AccessControl(load(admin_token="correct horse"))
    app.add_routes(HealthEndpoint(**arguments, access=access).routes())
    async with (
        TestClient(TestServer(app)) as client,
        client.get(path, headers=headers or {}) as response,
    ):
        return response.status, await response.json()


async def test_a_healthy_server_counts_its_parts() -> None:
    parts = ServerParts()
    parts.sessions.now = [view("a"), view("b")]
    parts.devices.status = [worker(), worker("lost")]
    parts.event_loop.observe(2.04, 0.0, 0.0)
    status, body = await _get(parts, "/healthz")
    assert status == 200
    assert body.pop("tasks") > 0
    assert body == {
        "status": "ok",
        "sessions": 2,
        "devices_ready": 1,
        "devices": 2,
        "loop_lag_ms": 2.0,
        "ingest": [],
    }


async def test_strangers_see_the_status_alone() -> None:
    stranger = {"X-Forwarded-For": "198.51.100.7"}
    wrong = {**stranger, "Authorization": "Bearer wrong"}
    right = {**stranger, "Authorization": "Bearer correct horse"}
    parts = ServerParts()
    for headers in (stranger, wrong):
        assert await _get(parts, "/healthz", headers) == (200, {"status": "ok"})
    assert "sessions" in (await _get(parts, "/healthz", right))[1]
    parts.sessions.ready = False
    assert await _get(parts, "/healthz", stranger) == (503, {"status": "starting"})


async def test_a_server_without_a_device_is_starting() -> None:
    parts = ServerParts()
    parts.sessions.ready, parts.devices.ready = False, []
    status, body = await _get(parts, "/healthz")
    assert (status, body["status"], body["devices_ready"]) == (503, "starting", 0)


async def test_ingest_processes_are_part_of_the_server_s_health() -> None:
    parts = ServerParts()
    parts.ingest = [ingest_status(lag_ms=7.0, tasks=1000), ingest_status(lag_ms=9.0)]
    _, body = await _get(parts, "/healthz")
    assert body["loop_lag_ms"] == 9.0
    assert body["tasks"] > 1040
    assert [each["sessions"] for each in body["ingest"]] == [2, 2]
    assert all("pid" not in each for each in body["ingest"])


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("draining", "draining"),
        ("not_ready", "starting"),
        ("full", "full"),
        ("busy", "busy"),
    ],
)
async def test_a_server_that_admits_nobody_is_not_ready(code: str, status: str) -> None:
    parts = ServerParts()
    parts.sessions.refused = FullError(code, "words")
    assert await _get(parts, "/readyz") == (503, {"status": status})


async def test_a_server_that_admits_sessions_is_ready() -> None:
    assert await _get(ServerParts(), "/readyz") == (200, {"status": "ready"})
