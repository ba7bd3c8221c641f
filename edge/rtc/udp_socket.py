"""Reading a UDP socket until it is empty: a frame's packets in one turn of the event loop.

asyncio's own transport reads one datagram a turn, each with a quarter of a megabyte of memory, and
aioice asks of each, by an exception, whether it is STUN: the first byte tells (RFC 7983).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Any

MAX_BYTES = 2048  # of a datagram: longer ones are cut, and then fail to authenticate
A_TURN = 64  # datagrams, then the event loop's other work comes first


def drain(protocol: Any) -> bool:
    """Read for aioice's `protocol` from now on; False where this event loop can't.

    `protocol` gets what is STUN, its receiver all else. The transport still sends and closes.
    """
    loop: Any = asyncio.get_running_loop()
    transport: Any = protocol.transport
    inner: Any = getattr(transport, "_sock", None)
    if not isinstance(inner, socket.socket) or not hasattr(loop, "_remove_reader"):
        return False
    component = protocol.local_candidate.component
    receive, receiver = inner.recvfrom, protocol.receiver

    def readable() -> None:
        try:
            for _ in range(A_TURN):
                data, address = receive(MAX_BYTES)
                if data and data[0] > 3:
                    receiver.data_received(data, component)
                else:
                    with contextlib.suppress(struct.error):  # STUN with attributes cut short
                        protocol.datagram_received(data, address)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            protocol.error_received(error)

    loop._remove_reader(inner.fileno())
    loop._add_reader(inner.fileno(), readable)
    return True
