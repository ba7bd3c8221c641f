"""Reading a UDP socket until it is empty: a frame's packets in one turn of the event loop.

asyncio's own transport reads one datagram a turn, with an allocation of 256 kB each.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

MAX_BYTES = 2048  # of a datagram; longer ones are truncated and then fail to authenticate
MAX_PER_TURN = 64  # datagrams, then the event loop's other work comes first


def read_until_empty(
    transport: Any,
    on_datagram: Callable[[bytes, Any], None],
    on_error: Callable[[OSError], None],
    on_turn: Callable[[Callable[[], None]], bool],
) -> bool:
    """Read an asyncio transport's socket from now on; False where this event loop can't.

    `on_datagram(data, address)` must not raise. `on_turn(read)` has to call `read`, which reads at
    most `MAX_PER_TURN` datagrams; once it returns False, no more are read. The transport still
    sends and closes.
    """
    loop: Any = asyncio.get_running_loop()
    inner: Any = getattr(transport, "_sock", None)
    if not isinstance(inner, socket.socket) or not hasattr(loop, "_remove_reader"):
        return False
    receive, descriptor = inner.recvfrom, inner.fileno()

    def read() -> None:
        try:
            for _ in range(MAX_PER_TURN):
                on_datagram(*receive(MAX_BYTES))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            on_error(error)

    def readable() -> None:
        if not on_turn(read):
            loop._remove_reader(descriptor)

    loop._remove_reader(descriptor)
    loop._add_reader(descriptor, readable)
    return True
