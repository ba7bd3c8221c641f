"""UDP with times in it: a sender to run inside a namespace, and a receiver outside."""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # the sender starts faster without
    from netem.links.emulated_link import EmulatedLink

HEADER = struct.Struct("!Id")
TIMESPEC = struct.Struct("qq")
SO_TIMESTAMPNS = 35
IP_UDP_BYTES = 28
QUIET_S = 0.4
"""Longer than the links in these tests hold a packet."""


class Arrival(NamedTuple):
    """One datagram: its number, and when it was sent and received (monotonic ms)."""

    number: int
    sent_ms: float
    received_ms: float


@dataclass
class Flow:
    """What came of a flow of `sent` datagrams of `size` bytes, IP and UDP headers included."""

    sent: int
    size: int
    arrivals: list[Arrival]

    def bits_between(self, start_ms: float, end_ms: float) -> float:
        inside = sum(start_ms < a.received_ms <= end_ms for a in self.arrivals)
        return 8.0 * self.size * inside


def flow(link: EmulatedLink, seconds: float, bps: float, size: int = 1228) -> Flow:
    """Sends at `bps` for `seconds` from the namespace to here, and waits for the rest."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        # By the kernel's stamps: when this process gets to read doesn't matter.
        receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        ahead_ms = (time.time() - time.monotonic()) * 1000.0
        receiver.bind((link.outside_address, 0))
        receiver.settimeout(QUIET_S)
        port = receiver.getsockname()[1]
        arguments = [link.outside_address, port, seconds, bps, size - IP_UDP_BYTES]
        sender = link.popen([sys.executable, str(Path(__file__)), *map(str, arguments)])
        arrivals = []
        end_s = time.monotonic() + seconds + 5.0
        while time.monotonic() < end_s:
            try:
                packet, ((_, _, stamp), *_), _, _ = receiver.recvmsg(2048, 64)
            except TimeoutError:
                if sender.poll() is not None:
                    break
                continue
            whole_s, nanoseconds = TIMESPEC.unpack(stamp)
            received_ms = whole_s * 1e3 + nanoseconds / 1e6 - ahead_ms
            number, sent_ms = HEADER.unpack_from(packet)
            arrivals.append(Arrival(number, sent_ms, received_ms))
        assert sender.wait(5.0) == 0
    return Flow(round(seconds * bps / (8 * size)), size, arrivals)


def send(host: str, port: int, seconds: float, bps: float, payload: int) -> None:
    """Datagrams at even times; what a late wake-up missed goes at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        count = round(seconds * bps / (8 * (payload + IP_UDP_BYTES)))
        start = time.monotonic()
        for number in range(count):
            due = start + number * seconds / count
            while (left := due - time.monotonic()) > 0:
                time.sleep(left)
            header = HEADER.pack(number, time.monotonic() * 1000.0)
            sender.sendto(header.ljust(payload, b"\0"), (host, port))


if __name__ == "__main__":
    os.setpriority(os.PRIO_PROCESS, 0, -15)
    host, port, seconds, bps, payload = sys.argv[1:]
    send(host, int(port), float(seconds), float(bps), int(payload))
