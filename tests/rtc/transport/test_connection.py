"""A connection that ends while it connects leaves nothing in the log."""

from __future__ import annotations

import asyncio
import gc
from functools import partial
from typing import Any

import pytest

from edge.rtc.peer_connection import PeerConnection
from tests.rtc.publishing import Publisher, Watcher


async def _others() -> None:
    """All other tasks have ended."""
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=60)


@pytest.mark.parametrize("stage", ["checking", "handshake"])
async def test_closing_while_it_connects_raises_nowhere(stage: str) -> None:
    raised: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
    watcher, publisher = Watcher(), Publisher()
    answer = await watcher.peer.answer(await publisher.offer())
    assert watcher.peer._connection is not None
    (transceiver,) = watcher.peer._connection.getTransceivers()
    dtls: Any = transceiver.receiver.transport
    closing = asyncio.Event()

    async def shake_hands(ice: Any, peer: PeerConnection, *_: object) -> None:
        ice.on("statechange", closing.set)
        close = asyncio.ensure_future(peer.close())
        await closing.wait()  # ICE is closed, its sockets are not yet
        assert not close.done()

    if stage == "handshake":
        dtls.start = partial(shake_hands, dtls.transport, watcher.peer)
        await publisher.accept(answer)
        await asyncio.wait_for(closing.wait(), 60)
    await watcher.peer.close()
    await publisher.connection.close()
    await _others()
    del watcher, publisher, transceiver, dtls
    gc.collect()  # a task reports its exception when it is collected
    assert not raised, raised
