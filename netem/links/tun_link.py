"""A link between two TUN devices, for effects that the kernel does not offer.

A separate process reads packets from a device in the namespace, passes them through the stages of
`netem.links.uplink`, and writes them to a device outside; and back, with a plain delay. It ends,
and its devices with it, when its standard input ends, so also when its owner is killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import struct
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pyroute2 import netns

from netem.links.link_log import PERIOD_MS, LinkLog, LinkSample
from netem.links.namespace import LinkError
from netem.links.packet_stages import Delay
from netem.links.token_bucket import NICE
from netem.links.uplink import Uplink, UplinkPath
from traces.trace import Trace

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
READ_BYTES = 65_536
BURST = 64
"""Packets read from one device before the other has its turn."""
READY_S = 20.0


class TunLink:
    """The owner's side: starts the process, which makes both devices, and controls it."""

    def __init__(
        self,
        namespace: str,
        devices: tuple[str, str],
        *,
        uplink: Uplink,
        down_delay_ms: float,
        log: Path | None = None,
    ) -> None:
        self.origin_ms = 0.0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "netem.links.tun_link"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            start_new_session=True,  # Ctrl-C is the owner's to act on
        )
        try:
            self._send(
                {
                    "namespace": namespace,
                    "devices": devices,
                    "down_delay_ms": down_delay_ms,
                    "log": str(log.absolute()) if log else None,
                    "uplink": _to_json(uplink),
                }
            )
            assert self._process.stdout is not None
            if not select.select([self._process.stdout], [], [], READY_S)[0]:
                raise LinkError("the TUN link's process does not answer")
            if self._process.stdout.readline() != b"ready\n":
                raise LinkError("the TUN link's process has failed, see above")
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Let packets pass; this is the trace's time 0."""
        self.origin_ms = time.monotonic() * 1000.0
        self._send({"origin_ms": self.origin_ms})

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def follow(self, trace: Trace) -> None:
        """Follow another trace's rate, from its beginning."""
        self.origin_ms = time.monotonic() * 1000.0
        self._send({"trace": _plain(asdict(trace)), "origin_ms": self.origin_ms})

    def close(self) -> None:
        """End the process, and so both devices; idempotent."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise LinkError("the TUN link's process has ended") from None


def _to_json(uplink: Uplink) -> dict[str, Any]:
    values = asdict(uplink)
    return {**values, "trace": _plain(values["trace"])}


def _plain(trace: dict[str, Any]) -> dict[str, Any]:
    return {k: v.tolist() if hasattr(v, "tolist") else v for k, v in trace.items()}


# The process's side


def main() -> None:
    """Serve one link until standard input ends."""
    lines = LineReader(sys.stdin.fileno())
    setup = json.loads(lines.wait())
    # Devices without persistence: the kernel removes them with this process.
    netns.pushns(setup["namespace"])
    inside = _open_tun(setup["devices"][0])
    netns.popns()
    outside = _open_tun(setup["devices"][1])
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    uplink = Uplink(**{**setup["uplink"], "trace": Trace(**setup["uplink"]["trace"])})
    link_log = LinkLog(Path(setup["log"]) if setup["log"] else None)
    print("ready", flush=True)
    start = lines.wait()
    if start:
        up = UplinkPath(uplink, json.loads(start)["origin_ms"])
        _forward((inside, outside), up, Delay(setup["down_delay_ms"]), lines, link_log)
    link_log.close()


def _forward(
    devices: tuple[int, int], up: UplinkPath, down: Delay, lines: LineReader, log: LinkLog
) -> None:
    inside, outside = devices
    passed_bytes = 0
    sample_ms = time.monotonic() * 1000.0
    while True:
        now_ms = time.monotonic() * 1000.0
        while line := lines.take():
            order = json.loads(line)
            up.change(Trace(**order["trace"]), now_ms, order["origin_ms"])
        for _, packet in up.take(now_ms):
            passed_bytes += len(packet)
            _write(outside, packet)
        for _, packet in down.take(now_ms):
            _write(inside, packet)
        if log and now_ms >= sample_ms:
            queue = up.queue
            rate_bps = queue.rate_at(now_ms)
            sizes = passed_bytes, queue.backlog_bytes, queue.dropped, up.loss.lost
            log.add(LinkSample(now_ms, rate_bps, *sizes))
            sample_ms += PERIOD_MS
        times = [t for t in (up.next_ms, down.next_ms, sample_ms if log else None) if t]
        wait_s = max(min(times) / 1000.0 - time.monotonic(), 0.0) if times else None
        ready, _, _ = select.select([inside, outside, lines.descriptor], [], [], wait_s)
        now_ms = time.monotonic() * 1000.0
        if inside in ready:
            for packet in _read(inside):
                up.put(packet, now_ms)
        if outside in ready:
            for packet in _read(outside):
                down.put(packet, now_ms)
        if lines.descriptor in ready and not lines.fill():
            return


def _open_tun(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    request = struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI)
    fcntl.ioctl(descriptor, TUNSETIFF, request)
    return descriptor


def _read(descriptor: int) -> list[bytes]:
    packets: list[bytes] = []
    with contextlib.suppress(BlockingIOError):
        while len(packets) < BURST:
            packets.append(os.read(descriptor, READ_BYTES))
    return packets


def _write(descriptor: int, packet: bytes) -> None:
    # A device that is down or full drops packets, like any interface.
    with contextlib.suppress(OSError):
        os.write(descriptor, packet)


class LineReader:
    """Lines from a descriptor; call `take` until it is empty before the next `select`."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._rest = b""

    def fill(self) -> bool:
        """Read what is available, or wait for it; False at the end."""
        chunk = os.read(self.descriptor, READ_BYTES)
        self._rest += chunk
        return bool(chunk)

    def take(self) -> bytes:
        """The next complete line; empty if there is none."""
        line, end, rest = self._rest.partition(b"\n")
        if not end:
            return b""
        self._rest = rest
        return line

    def wait(self) -> bytes:
        """The next line; empty at the end."""
        while not (line := self.take()):
            if not self.fill():
                return b""
        return line


if __name__ == "__main__":
    main()
