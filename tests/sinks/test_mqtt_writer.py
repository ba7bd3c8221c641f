"""MQTT against a real mosquitto: topics, availability, sensors, brokers that go and come."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.api.access import local_ca
from edge.base import backoff
from edge.sinks.event_filter import ResultMessage
from edge.sinks.mqtt.mqtt_writer import MqttWriter
from edge.sinks.sink import Sink
from edge.sinks.writer import DeliveryError
from tests.mosquitto import Broker, mosquitto
from tests.sinks.parts import BYE, batch, detections, event, settings, until

pytestmark = mosquitto


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.02)
    monkeypatch.setattr(backoff, "MOST_S", 0.1)


class Subscriber:
    """All messages, by topic."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, bool]] = []

    def of(self, topic: str) -> list[str]:
        return [payload for name, payload, _ in self.messages if name == topic]

    @property
    def numbers(self) -> list[int]:
        payloads = [payload for name, payload, _ in self.messages if name.endswith("/results")]
        return [int(json.loads(payload)["event"].partition("-")[2]) for payload in payloads]


@asynccontextmanager
async def subscribed(broker: Broker) -> AsyncIterator[Subscriber]:
    from aiomqtt import Client, MqttError, ProtocolVersion

    it = Subscriber()
    ready = asyncio.Event()

    async def read() -> None:
        try:
            async with Client("127.0.0.1", broker.port, protocol=ProtocolVersion.V5) as client:
                await client.subscribe("#", qos=1)
                ready.set()
                async for each in client.messages:
                    assert isinstance(each.payload, bytes)
                    it.messages.append((str(each.topic), each.payload.decode(), each.retain))
        except MqttError:
            pass  # the broker was ended

    reading = asyncio.create_task(read())
    try:
        async with asyncio.timeout(30):
            await ready.wait()
        yield it
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


@asynccontextmanager
async def running(broker: Broker, **fields: Any) -> AsyncIterator[Sink]:
    its = settings("mqtt", port=broker.port, timeout_s=2.0, **fields)
    sink = Sink(its, MqttWriter(its))
    sink.start()
    try:
        yield sink
    finally:
        await sink.stop(2.0)


def put(sink: Sink, text: str, count: int = 1, label: str = "gate", session: str = "abc") -> None:
    for _ in range(count):
        sink.put(ResultMessage(session, label, text, 1000.0))


async def test_events_go_to_their_labels_topics(tmp_path: Path) -> None:
    async with Broker(tmp_path) as broker, subscribed(broker) as seen:
        async with running(broker) as sink:
            put(sink, detections(("person", 0.9)), 300)
            put(sink, detections(("car", 0.9)), 2, label="")
            put(sink, detections(("car", 0.9)), label="a/#")
            await until(lambda: sink.sent == 303)
            await until(lambda: len(seen.numbers) == 303)
            assert len(seen.of("edge/gate/results")) == 300
            assert len(seen.of("edge/abc/results")) == 2
            assert len(seen.of("edge/a__/results")) == 1
            assert seen.of("edge/status") == ["online"]
        await until(lambda: seen.of("edge/status") == ["online", "offline"])
        assert sorted(seen.numbers) == [*range(1, 304)]


async def test_events_of_zones_have_a_topic_of_their_own(tmp_path: Path) -> None:
    crossed = '{"type":"line_crossed","line":"door","direction":"in","track":1,"class":"person"}'
    async with Broker(tmp_path) as broker, subscribed(broker) as seen, running(broker) as sink:
        put(sink, crossed)
        put(sink, detections(("person", 0.9)))
        await until(lambda: seen.of("edge/gate/events") and seen.of("edge/gate/results"))
        [text] = seen.of("edge/gate/events")
        assert json.loads(text)["line"] == "door"


def _stay_connected(port: int) -> None:
    async def stay() -> None:
        await MqttWriter(settings("mqtt", port=port)).maintain()
        await asyncio.Event().wait()

    asyncio.run(stay())


async def test_availability_is_retained_and_the_brokers_last_will(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    async with Broker(tmp_path) as broker:
        server = context.Process(target=_stay_connected, args=(broker.port,))
        server.start()
        try:
            async with subscribed(broker) as seen:
                await until(lambda: seen.of("edge/status") == ["online"])
                async with subscribed(broker) as later:
                    await until(lambda: later.messages == [("edge/status", "online", True)])
                server.kill()
                await until(lambda: seen.of("edge/status") == ["online", "offline"])
        finally:
            server.kill()
            server.join()


async def test_home_assistant_finds_a_sensor_for_each_label_and_class(tmp_path: Path) -> None:
    async with (
        Broker(tmp_path) as broker,
        subscribed(broker) as seen,
        running(broker, home_assistant=True, classes=["person", "car"]) as sink,
    ):
        put(sink, detections(("person", 0.9), ("person", 0.8), ("dog", 0.9)))
        put(sink, detections(("person", 0.9), ("person", 0.8)))
        configs: list[str] = []

        def have_come() -> bool:  # the broker keeps the order of a topic alone
            configs[:] = [text for topic, text, _ in seen.messages if topic.endswith("/config")]
            return len(configs) >= 2 and bool(seen.of("edge/gate/status"))

        await until(have_come)
        assert [json.loads(each)["name"] for each in configs] == ["person", "car"]
        sensor = json.loads(configs[0])
        [counts] = seen.of(sensor["state_topic"])  # the second frame changed nothing
        assert json.loads(counts) == {"person": 2, "car": 0}
        assert [seen.of(each["topic"])[-1] for each in sensor["availability"]] == ["online"] * 2
        async with subscribed(broker) as later:  # as Home Assistant after a restart
            await until(lambda: later.of("edge/gate/status"))
            assert all(retained for _, _, retained in later.messages)
        put(sink, BYE)
        await until(lambda: seen.of("edge/gate/status")[-1] == "offline")
        assert json.loads(seen.of("edge/gate/counts")[-1]) == {"person": 0, "car": 0}


async def test_a_broker_that_was_killed_gets_what_was_kept_and_is_told_the_rest(
    tmp_path: Path,
) -> None:
    async with (
        Broker(tmp_path) as broker,
        running(broker, home_assistant=True, classes=["person"], queue_events=500) as sink,
    ):
        async with subscribed(broker) as before:
            put(sink, detections(("person", 0.9)), 300)
            await until(lambda: len(before.numbers) == 300)
        await broker.end(signal.SIGKILL)
        put(sink, detections(("person", 0.9)), 2000)
        await until(lambda: sink.failures >= 2)
        assert sink.waiting <= 500 + sink.settings.batch_events
        await broker.start()
        async with subscribed(broker) as after:
            await until(lambda: sink.error is None and sink.waiting == 0)
            put(sink, detections(("person", 0.9)), 100)
            await until(lambda: 2400 in after.numbers)
            assert after.of("edge/status")[-1] == "online"
            assert after.of("edge/gate/counts")  # the new broker knows the sensors, too
        await until(lambda: sink.waiting == 0)  # the last confirmation may come after the message
        assert sink.sent + sink.queue.lost == 2400
        assert sink.queue.lost > 0
        assert sink.queue.unreported == 0


async def test_a_gap_is_told_in_its_place(tmp_path: Path) -> None:
    async with Broker(tmp_path) as broker, subscribed(broker) as seen, running(broker) as sink:
        sink.skip("gate", 7)
        put(sink, detections())
        await until(lambda: seen.numbers)
        [gap] = seen.of("edge/gap")
        assert (json.loads(gap)["dropped"], json.loads(gap)["dropped_total"]) == (7, 7)


async def test_a_batch_that_is_sent_again_repeats_neither_gap_nor_what_had_arrived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Broker(tmp_path) as broker, subscribed(broker) as seen:
        its = settings("mqtt", port=broker.port, home_assistant=True, classes=["person"])
        writer = MqttWriter(its)
        real, failures = writer._publish, ["2", "counts"]

        async def publish(client: Any, topic: str, payload: str, *, retain: bool = False) -> None:
            for each in failures:
                if f'"event": "a-{each}"' in payload or topic.endswith(each):
                    failures.remove(each)
                    raise DeliveryError("not confirmed")
            await real(client, topic, payload, retain=retain)

        monkeypatch.setattr(writer, "_publish", publish)
        texts = [{"type": "detections", "boxes": [], "event": f"a-{n}"} for n in (1, 2, 3)]
        todo = batch(*(event(json.dumps(each)) for each in texts), dropped=4, total=4)
        tries = 0
        while True:
            tries += 1
            try:
                await writer.deliver(todo)
                break
            except DeliveryError as error:
                assert error.left is not None
                todo = replace(todo, events=error.left)
        await writer.close()
        await until(lambda: seen.of("edge/status")[-1:] == ["offline"])
        assert tries == 3
        assert len(seen.of("edge/gap")) == 1
        assert sorted(seen.numbers) == [1, 2, 3]


async def test_a_broker_that_freezes_is_left_and_come_back_to(tmp_path: Path) -> None:
    async with Broker(tmp_path) as broker, running(broker) as sink:
        await until(lambda: sink.error is None and sink._writer._client)  # type: ignore[attr-defined]
        broker.freeze()
        put(sink, detections(), 10)
        await until(lambda: sink.failures)
        assert sink.waiting == 10
        await broker.end()
        await broker.start()
        await until(lambda: sink.sent == 10)


async def test_a_wrong_password_is_told_without_it(tmp_path: Path) -> None:
    async with (
        Broker(tmp_path, "allow_anonymous false") as broker,
        running(broker, username="me", password="hush") as sink,
    ):
        await until(lambda: sink.failures)
        assert sink.error is not None
        assert "uthor" in sink.error
        assert "hush" not in json.dumps(sink.to_json())


async def test_the_brokers_certificate_is_verified(tmp_path: Path) -> None:
    files = local_ca.ensure(tmp_path / "tls", [])
    lines = (f"certfile {files.cert}", f"keyfile {files.key}")
    async with Broker(tmp_path, *lines) as broker:
        async with running(broker, tls=True) as wary:
            await until(lambda: wary.failures)
            assert "certificate" in str(wary.error).lower()
        async with running(broker, host="localhost", tls=True, ca=files.ca) as sink:
            put(sink, detections(), 3)
            await until(lambda: sink.sent == 3)


async def test_nobody_there_costs_no_more_than_the_queue(tmp_path: Path) -> None:
    broker = Broker(tmp_path)  # never started
    async with running(broker, queue_events=10) as sink:
        put(sink, detections(), 1000)
        await until(lambda: sink.failures >= 3)
        assert sink.waiting <= 10 + sink.settings.batch_events
        assert "refused" in str(sink.error)
