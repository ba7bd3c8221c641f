"""A message socket on the event loop: one datagram a message, never waiting for the other side.

The socket keeps message boundaries (SOCK_SEQPACKET), so there is no framing.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

MAX_MESSAGE_BYTES = 192 * 1024  # below Linux' default socket buffer, which bounds a datagram
MAX_QUEUED = 4096  # messages that the socket had no room for; one more is a fault
_MESSAGES_A_TURN = 32  # then the event loop runs its other work

Message = TypeVar("Message")


class Pipe(Generic[Message]):
    """One end of a socket, on the event loop; it owns the socket.

    `encode` and `decode` raise ValueError for a message or datagram that can't be one. `on_message`
    gets each message, `on_closed` is called once when the other side has closed its end,
    `on_fault(reason)` whenever the socket turns out to be unusable; either should lead to `close`.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        encode: Callable[[Message], bytes],
        decode: Callable[[memoryview], Message],
        on_message: Callable[[Message], None],
        on_closed: Callable[[], None],
        on_fault: Callable[[str], None],
    ) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._encode = encode
        self._decode = decode
        self._on_message = on_message
        self._on_closed = on_closed
        self._on_fault = on_fault
        self._buffer = bytearray(MAX_MESSAGE_BYTES)
        self._queue: deque[bytes] = deque()  # bounded by MAX_QUEUED
        self._loop = asyncio.get_running_loop()
        self._reading, self._open = True, True
        self._loop.add_reader(connection.fileno(), self.read)

    @property
    def queued(self) -> int:
        """Messages that wait for the other side to read."""
        return len(self._queue)

    def send(self, message: Message) -> None:
        """Send now or, in order, as the other side reads; ValueError for one that is too long."""
        if not self._open:
            return
        data = self._encode(message)
        if not self._queue and self._put(data):
            return
        if len(self._queue) >= MAX_QUEUED:
            self._on_fault(f"left {MAX_QUEUED} messages unread")
            return
        if not self._queue:
            self._loop.add_writer(self._socket.fileno(), self._flush)
        self._queue.append(data)

    def read(self, limit: int | None = _MESSAGES_A_TURN) -> None:
        """Handle the messages that have arrived; called by the loop, or earlier by its user."""
        for _ in itertools.repeat(None) if limit is None else range(limit):
            if not self._reading:
                return
            try:
                length = self._socket.recv_into(self._buffer)
            except BlockingIOError:
                return
            except OSError:
                length = 0
            if length == 0:
                self._stop_reading()
                self._on_closed()
                return
            try:
                message = self._decode(memoryview(self._buffer)[:length])
            except ValueError as error:
                self._on_fault(f"sent a malformed message: {error}")
                return
            self._on_message(message)

    def close(self) -> None:
        """Close this end; queued messages are not sent. Twice is harmless."""
        if self._open:
            self._stop_reading()
            self._loop.remove_writer(self._socket.fileno())
            self._open = False
            self._queue.clear()
            self._socket.close()

    def _put(self, data: bytes) -> bool:
        """Whether the datagram is dealt with: sent, or reported as a fault."""
        try:
            self._socket.send(data)
        except BlockingIOError:
            return False
        except OSError as error:
            self._on_fault(f"can't be reached: {error}")
            return True
        return True

    def _flush(self) -> None:
        while self._queue and self._open:
            if not self._put(self._queue[0]):
                return
            if self._queue:  # a fault may have closed the pipe
                self._queue.popleft()
        if self._open:
            self._loop.remove_writer(self._socket.fileno())

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._socket.fileno())
