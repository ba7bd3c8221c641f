"""Any messages of one publisher: no exception, and no other session is affected."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from edge.rtc.guard import transport_guard
from edge.server import Server
from edge.session.control.control_messages import Applied, Hello, PageReport, Ping
from tests.publisher import WhipPublisher, publishing
from tests.serving import base, local, noise, serving

KINDS: dict[str, type[BaseModel]] = {
    "hello": Hello,
    "ping": Ping,
    "report": PageReport,
    "applied": Applied,
}
T = TypeVar("T")

_numbers = st.one_of(
    st.integers(),
    st.floats(),  # NaN and the infinities among them, as `json.dumps` writes them
    st.sampled_from([0, -1, 1e308, -1e308, 2**31, 2**63, 2**64, 10**25]),
)
_anything = st.recursive(
    st.none() | st.booleans() | _numbers | st.text(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def _values(draw: st.DrawFn) -> Any:
    """A field's value: a valid one, a number, or anything at all."""
    return draw(st.sampled_from([1, 2.0]) | _numbers | _anything)


def _messages(kind: str) -> st.SearchStrategy[str | bytes]:
    """Of one type: each of its fields missing, sound, or anything at all, and fields of no type."""
    fields = {
        field.alias or name: _values()
        for name, field in KINDS[kind].model_fields.items()
        if name != "type"
    }
    objects = st.builds(
        lambda known, more: {**more, **known, "type": kind},
        st.fixed_dictionaries({}, optional=fields),
        st.dictionaries(st.text(max_size=8), _values(), max_size=2),
    )
    texts = objects.map(json.dumps)
    cut = st.builds(lambda text, at: text[: at % (len(text) + 1)], texts, st.integers(0, 500))
    return texts | texts | cut | texts.map(str.encode)


class Scene:
    """A server, a publisher that sends anything, and a bystander; on a loop in a thread."""

    def __init__(self) -> None:
        self.server: Server
        self.offender: WhipPublisher
        self.bystander: WhipPublisher
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._open = threading.Event()
        self._tokens = itertools.count(1)
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._hold()])

    @contextlib.contextmanager
    def opened(self) -> Iterator[Scene]:
        self._thread.start()
        assert self._open.wait(60)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(60)
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(180)

    async def _hold(self) -> None:
        async with (
            serving(max_messages_per_s=10_000, end_cpu_share=1.0) as self.server,
            publishing(base(self.server), noise(128, 96), fps=5) as self.offender,
            publishing(base(self.server), noise(128, 96), fps=5) as self.bystander,
        ):
            for each in (self.offender, self.bystander):
                await each.wait_for_type("detections")
            self._open.set()
            while not self._over.is_set():
                self.offender.send("ping", t0_ms=0)  # a page that stops its pings is ended
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await self._over.wait()

    async def send(self, messages: list[str | bytes], channel: str) -> None:
        """Send them, and wait until the server has handled them."""
        self.offender.messages.clear()  # waiting looks through all that came
        for each in messages:
            (self.offender.control if channel == "control" else self.offender.results).send(each)
        token = 1000 + next(self._tokens)
        self.offender.send("ping", t0_ms=token)
        await self.offender.wait_for(
            lambda heard: heard["type"] == "pong" and heard["t0_ms"] == token
        )

    async def alive(self, publisher: WhipPublisher) -> None:
        await publisher.wait_for_answers(1)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    # As fast as they come: a message that a budget drops is sent again only seconds later.
    with (
        mock.patch.object(transport_guard, "PACKETS_PER_S", 100_000.0),
        Scene().opened() as scene,
    ):
        yield scene


@pytest.fixture
def complaints() -> Iterator[list[logging.LogRecord]]:
    """Records logged meanwhile as an error or with a traceback."""
    records: list[logging.LogRecord] = []

    class ErrorHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR or record.exc_info:
                records.append(record)

    handler = ErrorHandler()
    logging.getLogger().addHandler(handler)
    yield records
    logging.getLogger().removeHandler(handler)


# It is the server that uses `random`, on its own thread, while a strategy draws on this one.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("channel", ["control", "results"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_message_of_any_type_hurts(
    scene: Scene, complaints: list[logging.LogRecord], kind: str, channel: str
) -> None:
    @settings(
        max_examples=150 if channel == "control" else 10,
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(st.lists(_messages(kind), min_size=1, max_size=6))
    def send_any(messages: list[str | bytes]) -> None:
        scene.run(scene.send(messages, channel))
        assert not complaints, complaints[0].getMessage()

    send_any()
    # A valid hello replaces the wishes of earlier ones.
    greeting = {"type": "hello", "version": 1, "slo_ms": 500, "fps": 5}
    scene.run(scene.send([json.dumps(greeting)], "control"))
    for each in (scene.offender, scene.bystander):
        scene.run(scene.alive(each))
    assert not scene.bystander.of_type("error")
    assert not scene.bystander.of_type("bye")
    assert len(scene.server.sessions) == 2
    assert all(session.peer.suppressed_errors == 0 for session in local(scene.server))
    assert not complaints, complaints[0].getMessage()
