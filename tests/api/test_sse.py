"""Event streams: their format, their end, and clients that stop reading or disconnect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge.api import sse
from edge.session.results.feed import Event
from edge.session.results.result_streams import put_newest

Queue = asyncio.Queue[str | None]


@asynccontextmanager
async def _served(
    queue: Queue,
) -> AsyncIterator[tuple[TestClient[web.Request, web.Application], asyncio.Event]]:
    """A client of a server that streams `queue` at /, and an event set once a stream has ended."""
    ended = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        try:
            return await sse.event_stream(request, queue, {"X-Test": "yes"})
        finally:
            ended.set()

    app = web.Application()
    app.router.add_get("/", stream)
    async with TestClient(TestServer(app)) as client:
        yield client, ended


async def test_each_text_is_an_event_until_the_end() -> None:
    queue: Queue = asyncio.Queue()
    for text in ('{"a": 1}', "grün", None):
        queue.put_nowait(text)
    async with _served(queue) as (client, _), client.get("/") as response:
        assert response.content_type == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store, no-transform"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.headers["X-Test"] == "yes"
        assert await response.text() == ': open\n\ndata: {"a": 1}\n\ndata: grün\n\n'


async def test_silence_is_filled_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "KEEPALIVE_S", 0.01)
    async with _served(asyncio.Queue()) as (client, _), client.get("/") as response:
        assert await response.content.readline() == b": open\n"
        assert await response.content.readline() == b"\n"
        assert await response.content.readline() == b": keep-alive\n"
        assert await response.content.readline() == b"\n"
        assert await response.content.readline() == b": keep-alive\n"


async def test_a_reader_that_disconnects_ends_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "KEEPALIVE_S", 0.01)
    async with _served(asyncio.Queue()) as (client, ended):
        response = await client.get("/")
        await response.content.readline()
        response.close()
        async with asyncio.timeout(20):
            await ended.wait()


async def test_a_reader_that_stops_reading_is_disconnected(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sse, "SEND_TIMEOUT_S", 0.2)
    queue: Queue = asyncio.Queue()
    queue.put_nowait("x" * 64_000_000)  # more than sockets and buffers take
    async with _served(queue) as (client, ended):
        response = await client.get("/")
        async with asyncio.timeout(20):
            await ended.wait()
        with pytest.raises(aiohttp.ClientError):
            await response.read()
    assert caplog.text == ""


async def test_a_reader_that_stops_reading_small_events_is_disconnected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is written without a deadline, as long as the transport has nothing left to send."""
    monkeypatch.setattr(sse, "SEND_TIMEOUT_S", 0.2)
    queue: Queue = asyncio.Queue(64)
    async with _served(queue) as (client, ended):
        response = await client.get("/")
        async with asyncio.timeout(60):
            while not ended.is_set():
                put_newest(queue, "x" * 8_000)
                await asyncio.sleep(0)
        response.close()


async def test_events_are_followed_by_a_comment_only_once_they_cease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sse, "KEEPALIVE_S", 0.01)
    queue: Queue = asyncio.Queue()
    keep_alive = sse._KeepAlive(queue)
    monkeypatch.setattr(sse, "KEEPALIVE_S", 1e6)
    keep_alive._check()
    assert queue.empty()  # something was sent a moment ago
    monkeypatch.setattr(sse, "KEEPALIVE_S", 0.0)
    keep_alive._check()
    assert sse._written(cast(Event, queue.get_nowait())) == ": keep-alive\n\n"
    keep_alive.end()


class _StuckResponse:
    """A response whose reader has stopped: no write ends."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    async def write(self, data: bytes) -> None:
        self.writes.append(data)
        await asyncio.Event().wait()


async def test_what_waits_is_sent_in_one_write_with_one_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sse, "SEND_TIMEOUT_S", 0.0)
    queue: Queue = asyncio.Queue()
    for text in ("a", "b", None):
        queue.put_nowait(text)
    response = _StuckResponse()
    with pytest.raises(TimeoutError):
        await sse._send_all(cast(web.StreamResponse, response), queue)
    assert response.writes in ([], [b"data: a\n\ndata: b\n\n"])
    assert queue.empty()


@pytest.mark.parametrize("error", [ConnectionError("Connection lost"), ConnectionResetError()])
async def test_a_lost_connection_is_no_error(
    monkeypatch: pytest.MonkeyPatch, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def lost(self: web.StreamResponse, data: bytes) -> None:
        raise error

    monkeypatch.setattr(web.StreamResponse, "write", lost)
    queue: Queue = asyncio.Queue()
    queue.put_nowait("a")
    async with _served(queue) as (client, ended):
        response = await client.get("/")
        async with asyncio.timeout(20):
            await ended.wait()
        response.close()
    assert caplog.text == ""
