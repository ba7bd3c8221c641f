"""A program that watches: lines to events, another server in the place of the first, refusals."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from edge.base import backoff
from edge.client.watch import EventParser, WatchError, watch
from tests.publisher import publishing
from tests.serving import base, noise, serving

READ = "a-read-token"


@pytest.mark.parametrize(
    ("lines", "events"),
    [
        ([b"data: a\n", b"\n"], [("", "a")]),
        (
            [b"id: x-1\r\n", b"data:a\r\n", b"\r\n", b"data: b\n", b"\n"],
            [("x-1", "a"), ("x-1", "b")],
        ),
        ([b": keep-alive\n", b"\n", b"data: a\n", b"data: b\n", b"\n"], [("", "a\nb")]),
        ([b"data: cut short\n"], []),
        ([b"id: with\0null\n", b"data\n", b"\n"], [("", "")]),
    ],
)
def test_lines_become_events(lines: list[bytes], events: list[tuple[str, str]]) -> None:
    parser = EventParser()
    assert [event for line in lines for event in parser.feed(line)] == events


async def test_it_goes_on_when_the_server_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.05)
    retried: list[str] = []
    async with serving(read_token=READ) as server:
        port = int(base(server).rpartition(":")[2])
        messages = watch(
            base(server), token=READ, on_retry=lambda reason, wait_s: retried.append(reason)
        )
        async with aclosing(messages), asyncio.timeout(60):
            async with publishing(base(server), noise(64, 64), query={"label": "one"}):
                assert (await anext(messages))["label"] == "one"
            await server.stop()
            async with (
                serving(read_token=READ, port=port) as second,
                publishing(base(second), noise(64, 64), query={"label": "two"}),
            ):
                async for message in messages:
                    if message["label"] == "two":
                        break
    assert retried


async def test_types_choose_among_the_messages() -> None:
    async with (
        serving(read_token=READ) as server,
        publishing(base(server), noise(64, 64)) as me,
    ):
        messages = watch(base(server), token=READ, types=["bye"])
        async with aclosing(messages), asyncio.timeout(60):
            first = asyncio.ensure_future(anext(messages))
            await me.wait_for_answers(3)
            await server.sessions.close_all("the test is over")
            assert (await first)["type"] == "bye"
        with pytest.raises(WatchError, match="`types`: 'hello' is none of detections"):
            await anext(watch(base(server), token=READ, types=["hello"]))


@pytest.mark.parametrize("session", [None, "nobody"])
async def test_a_refusal_ends_it_with_the_servers_reason(session: str | None) -> None:
    async with serving(read_token=READ, admin_token="an-admin-token") as server:
        token = "wrong" if session is None else READ
        with pytest.raises(WatchError, match=r"admin token|no such session"):
            await anext(watch(base(server), token=token, session=session))
