"""Nodes that do as a test says, over real HTTP and a real engine; a director in this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from nats.aio.client import Client

from edge.api.access.directors import KEY_HEADER
from edge.config import load
from edge.fleet.director.director import Director
from edge.fleet.report import SessionRow
from edge.fleet.subjects import BEAT, LOOK_PATH, REPORT_PATH, subject
from tests.fleet.beats import beat
from tests.fleet.reports import report

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
CAPACITY = 100
OFFER = {"Content-Type": "application/sdp"}


class FakeNode:
    """Beats until it is silenced; `answer` gets its WHIP requests, which are kept."""

    def __init__(self, name: str, engine: Client, **fields: Any) -> None:
        self.name = name
        self.requests: list[tuple[str, str, dict[str, str], str]] = []
        self.arrived = asyncio.Condition()
        self.answer: Answer = self.create
        self.fields = {"key": f"key of {name}", **fields}
        self.sessions = 0
        self.beats = True
        self.looks = True
        self.rows: list[SessionRow] = []  # that it reports
        # False: it does not answer; None: its version has none; bytes: that instead.
        self.reports: bool | bytes | None = True
        self._engine = engine
        self._seq = 0
        self.server = TestServer(self._app())

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_get(LOOK_PATH, self._look)
        app.router.add_get(REPORT_PATH, self._report)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _look(self, request: web.Request) -> web.Response:
        if not self.looks:
            await asyncio.sleep(3600)
        return web.json_response({"beat": self._beat().model_dump(), "page": {}})

    async def _report(self, request: web.Request) -> web.Response:
        beat = self._beat()
        if request.headers.get(KEY_HEADER) != beat.key or self.reports is None:
            raise web.HTTPNotFound
        if not self.reports:
            await asyncio.sleep(3600)
        if isinstance(self.reports, bytes):
            return web.Response(body=self.reports)
        made = report(
            self.name,
            *self.rows,
            incarnation=beat.incarnation,
            in_time=sum(each.in_time for each in self.rows),
            missed=sum(each.missed for each in self.rows),
            in_time_since_start=1000,
            missed_since_start=7,
            variants=[f"of-{self.name}"],
        )
        return web.Response(text=made.model_dump_json())

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode()
        async with self.arrived:
            self.requests.append((request.method, request.path_qs, dict(request.headers), body))
            self.arrived.notify_all()
        return await self.answer(request)

    async def create(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            return web.Response(text=f"{request.method} at {self.name}")
        self.sessions += 1
        headers = {"Location": f"/whip/s-{self.name}-{len(self.requests)}", "ETag": '"e"'}
        return web.Response(status=201, text=f"answer of {self.name}", headers=headers)

    def of(self, method: str) -> list[tuple[str, str, dict[str, str], str]]:
        return [each for each in self.requests if each[0] == method]

    async def wait_for(self, method: str, timeout: float = 60.0) -> None:
        async with asyncio.timeout(timeout), self.arrived:
            await self.arrived.wait_for(lambda: self.of(method))

    def _beat(self) -> Any:
        self._seq += 1
        url = str(self.server.make_url("")).rstrip("/")
        left = max(0, CAPACITY - self.sessions)
        counts = {"sessions": self.sessions, "room": left, "load": 1.0 - left / CAPACITY}
        fields = {"incarnation": "1", "url": url, **counts, **self.fields}
        return beat(self.name, seq=self._seq, **fields)

    async def run(self) -> None:
        while True:
            if self.beats:
                await self._engine.publish(subject(BEAT, self.name), self._beat().to_bytes())
            await asyncio.sleep(0.1)


def refusing(status: int, code: str, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        error = {"error": {"code": code, "message": "no"}}
        return web.json_response(error, status=status, headers=headers)

    return answer


@asynccontextmanager
async def fake_nodes(url: str, *names: str, **fields: Any) -> AsyncIterator[list[FakeNode]]:
    client = Client()
    await client.connect(url)
    nodes = [FakeNode(name, client, **fields) for name in names]
    tasks = []
    try:
        for node in nodes:
            await node.server.start_server()
            tasks.append(asyncio.create_task(node.run()))
        yield nodes
    finally:
        for task in tasks:
            task.cancel()
        for node in nodes:
            await node.server.close()
        with contextlib.suppress(ConnectionError):  # the engine may have been ended
            await client.close()


@asynccontextmanager
async def directing(url: str, **settings: Any) -> AsyncIterator[Director]:
    defaults = {"host": "127.0.0.1", "port": 0, "http": True, "max_requests_per_s": 10_000}
    director = Director(load(**{**defaults, "fleet": url, **settings}))
    try:
        await director.start()
        yield director
    finally:
        await director.stop()


async def knows(director: Director, *names: str, timeout: float = 60.0) -> None:
    """Until the director would place sessions on these."""

    def known() -> bool:
        nodes = [director.view.get(name) for name in names]
        return all(node is not None and node.room > 0 for node in nodes)

    await until(known, timeout)


async def until(condition: Callable[[], bool], timeout: float = 60.0) -> None:
    """What another task of this process brings about without an event of its own."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def offer(
    http: aiohttp.ClientSession, director: Director, query: str = "", **headers: str
) -> tuple[int, Mapping[str, str], str]:
    """Status, headers and body of the response to a publisher's request."""
    url = f"{director.url}whip{query}"
    async with http.post(url, data="an offer", headers={**OFFER, **headers}) as response:
        return response.status, response.headers, await response.text()
