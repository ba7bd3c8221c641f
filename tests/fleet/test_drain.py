"""A node that is drained: its publishers move to another one, and who can't is ended in time."""

from __future__ import annotations

import argparse
import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from edge.fleet.beat import Beat
from edge.fleet.subjects import DRAIN
from netem.footage.encoded_clip import EncodedClip
from netem.publisher import command
from netem.publisher.publisher import LightPublisher
from tests.fleet.engine import nats
from tests.fleet.two_nodes import FRAMES, Fleet, fleet
from tests.publisher import publishing

pytestmark = [nats, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    made = EncodedClip(fps=10, long_sides=(128,), bits=(0.1,), seconds=2.0)
    made.prepare()
    return made


async def spread(it: Fleet, count: int) -> dict[str, int]:
    """The sessions of each node, once there are so many in all."""
    found = dict.fromkeys(it.nodes, 0)

    def take(beat: Beat) -> bool:
        found[beat.node] = beat.sessions
        return sum(found.values()) == count

    await it.listener.next(take)
    return found


async def drain(it: Fleet, name: str) -> None:
    assert await it.listener.ask(DRAIN, name, {"on": True}) == {"draining": True}


class Lights:
    """`netem publish`, in this process; ended by `stop`."""

    def __init__(self, it: Fleet, clip: EncodedClip, count: int) -> None:
        parser = argparse.ArgumentParser()
        command.add(parser)
        options = ["--clients", str(count), "--slo-ms", "5000", "--retry"]
        self._over = asyncio.Event()
        self._running = asyncio.create_task(
            command._publish(parser.parse_args([it.director.url, *options]), clip, self._over)
        )

    async def stop(self) -> list[LightPublisher]:
        """All sessions that there were, in the order of their beginning."""
        self._over.set()
        publishers, failures = await self._running
        assert failures == []
        return publishers


async def test_publishers_move_to_the_other_node_and_every_frame_has_an_answer(
    tmp_path: Path, clip: EncodedClip
) -> None:
    async with fleet(tmp_path) as it:
        lights = Lights(it, clip, 6)
        loads = await spread(it, 6)
        drained = max(loads, key=lambda name: loads[name])
        [other] = {*it.nodes} - {drained}
        await drain(it, drained)
        await it.listener.next(lambda beat: beat.node == other and beat.sessions == 6)
        await it.listener.next(lambda beat: beat.node == drained and not beat.sessions)
        publishers = await lights.stop()
    assert len(publishers) == 6 + loads[drained]
    for each in publishers:
        stats = each.stats()
        assert stats.unanswered == 0, (each.label, stats)
        assert "stopped" not in stats.dropped, (each.label, stats)
        assert stats.captured


async def test_a_node_that_is_to_stop_lets_its_publishers_move_first(
    tmp_path: Path, clip: EncodedClip
) -> None:
    async with fleet(tmp_path) as it:
        lights = Lights(it, clip, 2)
        loads = await spread(it, 2)
        stopped = max(loads, key=lambda name: loads[name])
        [other] = {*it.nodes} - {stopped}
        it.nodes[stopped].send(signal.SIGTERM)
        assert await it.nodes[stopped].ended(120) == 0
        await it.listener.next(lambda beat: beat.node == other and beat.sessions == 2)
        publishers = await lights.stop()
    assert [each.stats().unanswered for each in publishers] == [0] * len(publishers)
    assert b"event=session_opened" in it.nodes[other].output


async def test_who_does_not_move_is_ended_with_the_limit(tmp_path: Path) -> None:
    async with fleet(tmp_path, drain_s=2.0) as it, AsyncExitStack() as stack:
        [one] = await it.publishers(stack, 1)  # it knows nothing of moving
        drained = it.node_of(one)
        await drain(it, drained)
        await one.wait_for_type("move")
        bye = await one.wait_for_type("bye")
        assert bye["code"] == "draining"
        await it.listener.next(lambda beat: beat.node == drained and not beat.sessions)
        url = it.director.url.rstrip("/")
        async with publishing(url, FRAMES, fps=5) as anew:
            await anew.wait_for_answers()
            assert it.node_of(anew) != drained
