"""Word to the service manager, if there is one: ready, stopping (sd_notify(3), by its socket)."""

from __future__ import annotations

import contextlib
import os
import socket


def tell(state: str) -> None:
    """`READY=1` or `STOPPING=1`; nothing where nobody asked to be told."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    path = f"\0{address[1:]}" if address[0] == "@" else address
    with (
        contextlib.suppress(OSError),  # a manager that is gone needs no word
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager,
    ):
        manager.sendto(state.encode(), path)
