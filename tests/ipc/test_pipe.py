"""Messages between processes: in order, bounded, and never waited for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from edge.ipc import pipe
from edge.ipc.pipe import Pipe


class End:
    """One end, and what it heard; texts as messages."""

    def __init__(self, connection: socket.socket) -> None:
        self.heard: list[str] = []
        self.faults: list[str] = []
        self.closed = False
        self.news = asyncio.Event()
        self.pipe: Pipe[str] = Pipe(
            connection,
            encode=str.encode,
            decode=lambda data: bytes(data).decode(),
            on_message=self._message,
            on_closed=self._closed,
            on_fault=self._fault,
        )

    def _message(self, text: str) -> None:
        self.heard.append(text)
        self.news.set()

    def _closed(self) -> None:
        self.closed = True
        self.news.set()

    def _fault(self, reason: str) -> None:
        self.faults.append(reason)
        self.pipe.close()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.heard) < count and not self.closed:
                self.news.clear()
                await self.news.wait()


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield one, other
    one.close()
    other.close()


async def test_what_the_socket_has_no_room_for_comes_later_and_in_order(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    sender = End(sockets[0])
    texts = [f"{number}" for number in range(2000)]
    for text in texts:
        sender.pipe.send(text)  # nobody reads yet
    assert 0 < sender.pipe.queued < 2000
    receiver = End(sockets[1])
    await receiver.until(2000)
    assert receiver.heard == texts
    assert sender.pipe.queued == 0
    sender.pipe.send("once more")
    await receiver.until(2001)
    sender.pipe.close()
    sender.pipe.close()
    await receiver.until(9999)
    assert receiver.closed
    assert not receiver.faults + sender.faults
    receiver.pipe.close()


async def test_a_side_that_does_not_listen_is_given_up(
    sockets: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe, "MAX_QUEUED", 10)
    sender = End(sockets[0])
    for number in range(5000):
        sender.pipe.send(f"{number}")
    assert sender.faults == ["left 10 messages unread"]


async def test_nonsense_and_a_dead_end_are_faults_and_length_is_an_error(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    receiver = End(sockets[1])
    sockets[0].send(b"\xff")
    receiver.pipe.read()
    [reason] = receiver.faults
    assert reason.startswith("sent a malformed message: ")
    sender = End(sockets[0])
    sender.pipe.send("is anybody there?")
    [reason] = sender.faults
    assert reason.startswith("can't be reached: ")
