"""The baseline server, with a simulated device and a real connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edge.config import load
from netem.baseline.server import BaselineServer
from tests.publisher import publishing
from tests.serving import noise, simulated

LONG_SIDE, SENT_LONG_SIDE, SENT_BPS = 320, 256, 400_000


@asynccontextmanager
async def serving(times: float) -> AsyncIterator[BaselineServer]:
    """A baseline server whose device takes `times` as long as usual."""
    settings = load(
        host="127.0.0.1", port=0, http=True, fps=15, max_batch=4, device=[simulated(times)]
    )
    server = BaselineServer(settings, LONG_SIDE, SENT_LONG_SIDE, SENT_BPS)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_every_client_gets_one_fixed_hint_and_late_pictures_are_answered_in_order() -> None:
    frames = noise(128, 96)
    async with (
        serving(times=100.0) as server,
        publishing(server.url.rstrip("/"), frames, query={"label": "client 0"}) as publisher,
    ):
        await publisher.wait_for(lambda each: each.get("batch", 0) > 1)  # a queue has built up
        publisher.send("hello")
        hint = await publisher.wait_for_type("hint")
        publisher.send("ping", t0_ms=1.5)
        pong = await publisher.wait_for_type("pong")
        answers = publisher.of_type("detections")
        [session] = server.sessions.values()
    assert (hint["max_edge"], hint["max_bps"], hint["fps"]) == (SENT_LONG_SIDE, SENT_BPS, 15)
    assert hint["variant"] == f"yolov4-tiny-{LONG_SIDE}"
    assert {each["variant"] for each in answers} == {hint["variant"]}
    assert pong["t0_ms"] == 1.5
    assert pong["t1_ms"] <= pong["t2_ms"]
    decoded = [each["t"]["decoded"] for each in answers]
    assert decoded == sorted(decoded)
    assert max(each["batch"] for each in answers) <= 4
    assert (session.label, session.answered >= len(answers)) == ("client 0", True)
