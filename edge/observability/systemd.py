"""State notifications for systemd, by the datagram protocol of sd_notify(3)."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Send `READY=1`, `STOPPING=1` or `WATCHDOG=1`; nothing where systemd did not ask for it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    path = f"\0{address[1:]}" if address[0] == "@" else address
    with (
        contextlib.suppress(OSError),  # the service manager may be gone
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager,
    ):
        manager.sendto(state.encode(), path)


def watchdog_s() -> float | None:
    """The time within which systemd expects each `WATCHDOG=1` (sd_watchdog_enabled(3)); None where
    it does not expect any from this process."""
    interval = os.environ.get("WATCHDOG_USEC", "")
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(interval) / 1e6 if interval.isdecimal() and int(interval) > 0 else None
