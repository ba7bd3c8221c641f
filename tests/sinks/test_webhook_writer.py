"""Webhooks against a real receiver: signed, retried, bounded in time, never redirected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.api.access import local_ca
from edge.base import backoff
from edge.sinks.event_filter import ResultMessage
from edge.sinks.sink import Sink
from edge.sinks.webhook.webhook_writer import WebhookWriter
from edge.sinks.writer import DeliveryError
from tests.sinks.parts import SECRET, batch, detections, event, settings, until
from tests.sinks.receiver import Receiver
from tests.sinks.test_signature import documented_verification


async def deliver(receiver: Receiver, **fields: object) -> None:
    writer = WebhookWriter(settings("webhook", url=receiver.url, **fields))
    try:
        await writer.deliver(batch(event(), event(), dropped=2, total=5))
    finally:
        await writer.close()


async def test_a_batch_arrives_as_documented_and_verifies_by_the_documented_snippet() -> None:
    async with Receiver() as receiver:
        await deliver(receiver, authorization="Bearer hush")
    [(headers, body)] = receiver.requests
    plain = {name.lower(): value for name, value in headers.items()}
    assert documented_verification()(SECRET, plain, body)
    assert plain["authorization"] == "Bearer hush"
    assert plain["content-type"] == "application/json"
    [taken] = receiver.taken
    assert {key: taken[key] for key in ("sink", "id", "dropped", "dropped_total")} == {
        "sink": "it",
        "id": "boot-1",
        "dropped": 2,
        "dropped_total": 5,
    }
    assert len(taken["events"]) == 2


@pytest.mark.parametrize(
    ("status", "refused"),
    [
        (500, False),
        (503, False),
        (404, False),
        (401, False),
        (429, False),
        (400, True),
        (413, True),
        (422, True),
    ],
)
async def test_failures_are_told_from_refusals(status: int, refused: bool) -> None:
    async with Receiver(statuses=[status]) as receiver:
        with pytest.raises(DeliveryError, match=f"answered {status}") as caught:
            await deliver(receiver)
    assert caught.value.refused == refused


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    async with Receiver(statuses=[status], headers={"Location": "/elsewhere"}) as receiver:
        with pytest.raises(DeliveryError, match="redirect") as caught:
            await deliver(receiver)
        assert not caught.value.refused
        assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("wish", "wait_s"), [("7", 7.0), ("soon", None), ("9" * 50, None), ("-1", None)]
)
async def test_retry_after_is_read_in_seconds(wish: str, wait_s: float | None) -> None:
    async with Receiver(statuses=[503], headers={"Retry-After": wish}) as receiver:
        with pytest.raises(DeliveryError) as caught:
            await deliver(receiver)
    assert caught.value.retry_after_s == wait_s


async def test_a_receiver_that_hangs_costs_its_deadline() -> None:
    async with Receiver() as receiver:
        receiver.hanging.clear()
        with pytest.raises(DeliveryError, match=r"no answer within 0\.2 s"):
            await deliver(receiver, timeout_s=0.2)


async def test_nobody_there_is_told_without_the_secret_path() -> None:
    url = "http://localhost:9/s3cret?key=hush"
    writer = WebhookWriter(settings("webhook", url=url))
    with pytest.raises(DeliveryError) as caught:
        await writer.deliver(batch(event()))
    await writer.close()
    assert "localhost" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "hush" not in str(caught.value)


async def test_certificates_are_verified(tmp_path: Path) -> None:
    certificates = local_ca.ensure(tmp_path, [])
    context = local_ca.server_context(certificates.cert, certificates.key)
    async with Receiver(tls=context) as receiver:
        with pytest.raises(DeliveryError, match="(?i)certificate"):
            await deliver(receiver)
        assert not receiver.requests
        await deliver(receiver, ca=certificates.ca)
        assert len(receiver.taken) == 1


async def test_a_receiver_that_comes_back_gets_what_was_kept_and_is_told_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.01)
    monkeypatch.setattr(backoff, "MOST_S", 0.05)
    async with Receiver() as receiver:
        its = settings("webhook", url=receiver.url, queue_events=500, timeout_s=1.0)
        sink = Sink(its, WebhookWriter(its))
        sink.start()

        def put(count: int) -> None:
            for _ in range(count):
                sink.put(ResultMessage("abc", "gate", detections(("person", 0.9)), 1000.0))

        put(300)
        await until(lambda: sink.sent == 300)
        await receiver.end()
        put(2000)
        await until(lambda: sink.failures >= 2)
        await receiver.start()
        put(200)
        await until(lambda: sink.waiting == 0)
        await sink.stop(2.0)
        told = sum(each["dropped"] for each in receiver.taken)
        assert receiver.numbers == sorted(set(receiver.numbers))
        assert told == sink.queue.lost == 2500 - len(receiver.numbers) > 0
        assert receiver.numbers[-200:] == [*range(2301, 2501)]


async def test_the_same_batch_is_sent_again_under_the_same_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.01)
    async with Receiver(statuses=[500, 502]) as receiver:
        its = settings("webhook", url=receiver.url)
        sink = Sink(its, WebhookWriter(its))
        sink.start()
        sink.put(ResultMessage("abc", "gate", detections(), 1000.0))
        await until(lambda: sink.sent == 1)
        await sink.stop(2.0)
    assert len(receiver.requests) == 3
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1
    assert len({body for _, body in receiver.requests}) == 1
    assert json.loads(receiver.requests[0][1])["events"]
