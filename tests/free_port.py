"""A port for a server of the test's own that can't choose one itself."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path

_LOWEST = 15_000
_RANDOM = random.SystemRandom()  # processes of tests are not to choose alike


def free_port(host: str = "127.0.0.1") -> int:
    """A port of this host that is free for TCP and UDP now.

    None that the kernel gives to whoever asks for any: between its choice and its use another
    program might take it, or a client that tries again and again to reach its server connect to
    itself, from the very port that it connects to.
    """
    given, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    while True:
        port = _RANDOM.randrange(_LOWEST, given)
        with (
            suppress(OSError),
            socket.socket() as stream,
            socket.socket(type=socket.SOCK_DGRAM) as datagrams,
        ):
            stream.bind((host, port))
            datagrams.bind((host, port))
            return port
