"""Reading a UDP socket until it is empty: a frame's packets in one turn of the event loop.

asyncio's own transport reads one datagram a turn, with an allocation of 256 kB each, and aioice
tries to parse every datagram as STUN, though the first byte identifies it (RFC 7983).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Any

MAX_BYTES = 2048  # of a datagram; longer ones are truncated and then fail to authenticate
MAX_PER_TURN = 64  # datagrams, then the event loop's other work comes first


def read_until_empty(protocol: Any) -> bool:
    """Read the socket of aioice's `protocol` from now on; False where this event loop can't.

    STUN goes to `protocol`, everything else to its receiver. The transport still sends and closes.
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
            for _ in range(MAX_PER_TURN):
                data, address = receive(MAX_BYTES)
                if data and data[0] > 3:
                    receiver.data_received(data, component)
                else:
                    with contextlib.suppress(struct.error):  # STUN with truncated attributes
                        protocol.datagram_received(data, address)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            protocol.error_received(error)

    loop._remove_reader(inner.fileno())
    loop._add_reader(inner.fileno(), readable)
    return True
