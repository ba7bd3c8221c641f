"""A greedy TCP flow, run behind a link: `python tcp_sender.py ADDRESS PORT SECONDS`."""

from __future__ import annotations

import socket
import sys
import time

_BLOCK = bytes(1 << 14)


def main(address: str, port: int, seconds: float) -> None:
    """Sends zeros for that long, as fast as the kernel's congestion control allows."""
    end_s = time.monotonic() + seconds
    with socket.create_connection((address, port), timeout=5.0) as flow:
        while time.monotonic() < end_s:
            flow.sendall(_BLOCK)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
