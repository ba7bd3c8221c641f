"""A last message reaches a publisher whose channel opens after the end was decided."""

from __future__ import annotations

import asyncio

import pytest

from edge.rtc.data_channels import DataChannels
from tests.rtc.publishing import Publisher, Watcher


async def test_the_last_message_waits_for_the_channel_of_a_publisher_that_connects() -> None:
    watcher, publisher = Watcher(), Publisher()
    try:
        await publisher.accept(await watcher.peer.answer(await publisher.offer()))
        await watcher.until(lambda: "connected" in watcher.states)
        await watcher.peer.close(last="bye")
        async with asyncio.timeout(60):
            while ("control", "bye") not in publisher.messages:
                publisher.news.clear()
                await publisher.news.wait()
    finally:
        await publisher.connection.close()
    assert not watcher.channels  # nothing is called once the end was decided


@pytest.mark.parametrize("timeout_s", [0.0, 0.01])
async def test_without_a_channel_the_last_message_is_given_up(timeout_s: float) -> None:
    channels = DataChannels(lambda label: None, lambda label, data: None)
    assert not await channels.send_last("control", "bye", timeout_s)
