"""The runner's side of a run's server: a child that reports its state. The child is a stand-in."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from netem.experiment.server_main import RunSetup
from netem.experiment.server_process import ServerError, ServerProcess

READY = 'print(json.dumps({"url": "http://localhost:4711/"}), flush=True)'
LIVE = 'print(json.dumps({"live": "client 0", "session": "abcdef"}), flush=True)'
WAIT = "sys.stdin.read()"

Started = Callable[..., AbstractAsyncContextManager[ServerProcess]]


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Started:
    """A server process whose child runs the given lines; with `environment`, what it was given."""
    spawn = asyncio.create_subprocess_exec

    @asynccontextmanager
    async def start(*lines: str) -> AsyncIterator[ServerProcess]:
        script = "; ".join(["import json, sys", *lines])

        async def stand_in(*_: str, **options: Any) -> asyncio.subprocess.Process:
            (tmp_path / "environment.json").write_text(json.dumps(options["env"]))
            return await spawn(sys.executable, "-c", script, **options)

        monkeypatch.setattr("asyncio.create_subprocess_exec", stand_in)
        server = ServerProcess(RunSetup({}, "plans.csv"), tmp_path, tmp_path / "server.log")
        try:
            await server.spawn()
            await server.ready()
            yield server
        finally:
            await server.stop()

    return start


async def test_its_port_and_its_live_clients_are_reported(started: Started) -> None:
    async with started(READY, LIVE, WAIT) as server:
        assert server.port == 4711
        assert server.pid > 0
        assert await server.live(1, 30.0) == {0: "abcdef"}
        server.check()


async def test_a_client_without_an_answer_is_named_with_the_log(started: Started) -> None:
    async with started('sys.stderr.write("a warning")', READY, LIVE, WAIT) as server:
        await server.live(1, 30.0)
        with pytest.raises(ServerError, match="no answer for client 1 within 0 s.*a warning"):
            await server.live(2, 0.0)


async def test_a_server_that_ends_is_noticed(started: Started) -> None:
    with pytest.raises(ServerError, match="the server has ended.*no memory"):
        async with started('sys.stderr.write("no memory")'):
            pass


async def test_settings_in_the_environment_do_not_reach_the_server(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_PORT", "9")
    monkeypatch.setenv("EDGE_CACHE", "/cache")
    async with started(READY, WAIT):
        pass
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert "EDGE_PORT" not in environment
    assert environment["EDGE_CACHE"] == "/cache"
    assert json.loads((tmp_path / "setup.json").read_text())["plans"] == "plans.csv"
