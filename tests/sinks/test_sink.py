"""One sink: batches, failures, bounds, and its end."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from edge.base import backoff
from edge.base.clock import now_ms
from edge.sinks import sink as sink_module
from edge.sinks.event_filter import ResultMessage
from edge.sinks.sink import Sink
from edge.sinks.writer import DeliveryError
from tests.sinks.parts import FakeWriter, detections, sink, until


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.001)
    monkeypatch.setattr(backoff, "MOST_S", 0.01)


def put(it: Sink, count: int = 1, text: str | None = None, label: str = "gate") -> None:
    for _ in range(count):
        it.put(ResultMessage("abc", label, text or detections(("person", 0.9)), 1000.0))


@asynccontextmanager
async def running(writer: FakeWriter, **fields: Any) -> AsyncIterator[Sink]:
    it = sink(writer, **fields)
    it.start()
    try:
        yield it
    finally:
        await it.stop(2.0)


async def test_events_arrive_in_order_with_their_origin() -> None:
    writer = FakeWriter()
    async with running(writer) as it:
        put(it, 200)
        await until(lambda: it.sent == 200)
    assert writer.numbers == [*range(1, 201)]
    assert max(len(batch.events) for batch in writer.batches) <= it.settings.batch_events
    event = json.loads(writer.batches[0].events[0].text)
    assert (event["session"], event["label"], event["at"]) == ("abc", "gate", 1000.0)
    assert event["boxes"][0][0] == "person"
    assert writer.closed


async def test_a_dead_receiver_costs_the_oldest_events_and_is_told_how_many() -> None:
    writer = FakeWriter()
    writer.error = DeliveryError("gone")
    async with running(writer, queue_events=10) as it:
        put(it, 5)
        await until(lambda: it.failures > 3)
        put(it, 100)
        assert it.waiting <= 10 + it.settings.batch_events
        assert it.to_json()["error"] == "gone"
        assert {each.id for each in writer.tried} == {writer.tried[0].id}  # of the same batch
        writer.error = None
        await until(lambda: it.waiting == 0)
        put(it)
        await until(lambda: it.waiting == 0)
        assert it.error is None
    told = sum(batch.dropped for batch in writer.batches)
    assert told == it.queue.lost == 106 - len(writer.numbers) > 0
    assert writer.batches[-1].dropped_total == it.queue.lost
    assert writer.numbers[-1] == 106


async def test_put_never_waits_for_a_receiver_that_hangs() -> None:
    writer = FakeWriter()
    writer.open.clear()
    async with running(writer, queue_events=100) as it:
        put(it)
        await until(lambda: writer.tried)
        put(it, 5000)  # on this very task: it would never return
        assert it.waiting == 101
        writer.open.set()
        await until(lambda: it.waiting == 0)
    assert len(writer.numbers) + it.queue.lost == 5001


async def test_a_batch_is_given_up_in_time() -> None:
    writer = FakeWriter()
    writer.error = DeliveryError("gone")
    async with running(writer, give_up_s=1.0) as it:
        put(it, 3)
        await until(lambda: it.queue.losses["expired"] == 3)
        writer.error = None
        put(it)
        await until(lambda: it.sent == 1)
    assert writer.batches[0].dropped == 3


async def test_a_refused_batch_does_not_hold_up_the_next() -> None:
    writer = FakeWriter()
    writer.error = DeliveryError("answered 400", refused=True)
    async with running(writer) as it:
        put(it, 3)
        await until(lambda: it.queue.losses["refused"] == 3)
        writer.error = None
        put(it)
        await until(lambda: it.sent == 1)
    assert len(writer.tried) == 2


async def test_a_receiver_that_takes_no_event_is_failing_until_it_takes_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sink_module, "MAINTAIN_S", 0.01)
    writer = FakeWriter()
    writer.error = DeliveryError("answered 400", refused=True)
    with caplog.at_level(logging.INFO, "edge.sinks"):
        async with running(writer) as it:
            for count in (1, 2, 3):
                put(it)
                await until(lambda count=count: it.queue.losses["refused"] == count)  # type: ignore[misc]
                maintained = writer.maintained
                await until(lambda before=maintained: writer.maintained > before + 1)  # type: ignore[misc]
                assert it.error == "answered 400"
            writer.error = None
            put(it)
            await until(lambda: it.sent == 1)
            assert it.error is None
            writer.maintain_error = DeliveryError("gone")
            await until(lambda: it.error == "gone")
            writer.maintain_error = None
            await until(lambda: it.error is None)
    told = [record.getMessage().split(" ")[0] for record in caplog.records]
    names = [each.removeprefix("event=") for each in told if each != "event=sink_stopped"]
    assert names == ["sink_failing", "sink_works"] * 2


async def test_only_the_rest_of_a_batch_is_sent_again() -> None:
    writer = FakeWriter()
    writer.open.clear()
    async with running(writer) as it:
        put(it)
        await until(lambda: writer.tried)
        put(it, 5)
        writer.open.set()
        await until(lambda: it.sent >= 1)
        await until(lambda: it.waiting == 0)
        assert it.sent == 6
        writer.open.clear()
        put(it, 4)
        await until(lambda: len(writer.tried) > 2)
        hanging = writer.tried[-1]
        writer.error = DeliveryError("half", left=hanging.events[-1:])
        writer.open.set()
        await until(lambda: it.waiting == 0)
    assert (it.sent, it.failures, writer.numbers) == (10, 1, [*range(1, 11)])


async def test_a_defect_of_a_writer_ends_no_sink() -> None:
    writer = FakeWriter()
    writer.error = RuntimeError("a defect")
    async with running(writer) as it:
        put(it)
        await until(lambda: it.failures > 1)
        assert it.error == "RuntimeError"
        writer.error = None
        await until(lambda: it.sent == 1)


@pytest.mark.parametrize("bounds", [{"queue_events": 4}, {"queue_bytes": 100_000}])
async def test_a_small_queue_is_not_filled_by_waiting_for_a_batch(bounds: dict[str, int]) -> None:
    writer = FakeWriter()
    padding = [("person", 0.9)] * (1 if "queue_events" in bounds else 500)
    async with running(writer, kind="jsonl", **bounds) as it:
        for number in range(1, 41):
            put(it, text=detections(*padding))
            if number % 2 == 0:
                await until(lambda number=number: it.sent >= number - 1)  # type: ignore[misc]
    assert it.queue.lost == 0


async def test_the_end_sends_what_waits() -> None:
    writer = FakeWriter()
    async with running(writer, kind="jsonl") as it:
        put(it, 50)  # its batch would wait for more
    assert writer.numbers == [*range(1, 51)]
    assert it.queue.lost == 0


async def test_the_end_does_not_wait_for_a_receiver_that_hangs() -> None:
    writer = FakeWriter()
    writer.open.clear()
    it = sink(writer)
    it.start()
    put(it, 1)
    await until(lambda: writer.tried)
    put(it, 7)
    begin_ms = now_ms()
    await it.stop(0.6)
    assert now_ms() - begin_ms < 30_000.0  # it would hang for ever
    assert it.queue.losses["left"] == 8
    assert writer.closed
    put(it)
    assert it.waiting == 0


async def test_skipped_messages_are_told_to_the_sinks_that_wanted_them() -> None:
    writer = FakeWriter()
    async with running(writer, labels=["gate"]) as it:
        it.skip("yard", 100)
        it.skip("gate", 2)
        put(it)
        await until(lambda: it.sent == 1)
    assert writer.batches[0].dropped == 2


async def test_its_state_shows_no_secret() -> None:
    it = sink(FakeWriter(), "webhook", url="https://user.example/s3cret?token=hush")
    text = json.dumps(it.to_json())
    assert "s3cret" not in text
    assert "hush" not in text
    assert it.to_json()["target"] == "https://user.example"


async def test_receivers_wishes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    it = sink(FakeWriter())
    wished: list[float] = []

    def next_s(at_least_s: float | None = None) -> float:
        wished.append(at_least_s or 0.0)
        return 0.0

    monkeypatch.setattr(it._wait, "next_s", next_s)
    await it._pause(1e9)
    await it._pause(None)
    assert wished == [300.0, 0.0]
