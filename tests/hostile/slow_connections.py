"""Slow connections by the hundred, and an honest publisher that comes meanwhile.

    python -m tests.hostile.slow_connections

A Markdown table of each case: connections from one address or several, the limit on the server's
descriptors, what became of the connections, when the publisher's video was answered, the slowest
answer of the health check from then on, and the lines logged. The command fails where the publisher
is not served in time, or a bound is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edge.base.clock import now_ms
from edge.client.frame_outcomes import IN_TIME
from edge.client.whip_client import PublishError
from netem.footage.encoded_clip import EncodedClip
from netem.publisher.publisher import publishing
from tests.hostile.measurement import FPS, MAX_HEALTH_MS, MAX_LOG_LINES, SLO_MS
from tests.hostile.server_process import ServerProcess, health_probe, server_process

ANSWERS = 3 * FPS  # in time, of the publisher that comes
SERVED_S = 30.0  # heads and bodies that do not end are ended after 20 s at the most
_DRIP_S = 0.5
_HEAD = (
    b"POST /whip HTTP/1.1\r\nHost: a\r\nContent-Type: application/sdp\r\n"
    b"Content-Length: 9999\r\n\r\n"
)


@dataclass(frozen=True)
class Case:
    """So many connections, from so many addresses of loopback, at a limit of descriptors."""

    connections: int
    addresses: int
    descriptors: int | None

    @property
    def text(self) -> str:
        several = f"{self.addresses} addresses" if self.addresses > 1 else "one address"
        limit = f"{self.descriptors} descriptors" if self.descriptors else "the usual limit"
        return f"{self.connections} slow connections from {several}, {limit}"


CASES = (Case(300, 1, 256), Case(300, 8, 256), Case(500, 1, None), Case(500, 16, None))


@dataclass(frozen=True)
class Row:
    """`served_s` is None where the publisher was not; `connections` tells how many became what."""

    case: Case
    connections: Counter[str]
    served_s: float | None
    in_time: int
    health_ms: float
    log_lines: int

    @property
    def broken(self) -> list[str]:
        """The bounds that were exceeded."""
        bounds = {
            "newcomer": self.served_s is None or self.served_s > SERVED_S,
            "/healthz": self.health_ms > MAX_HEALTH_MS,
            "log": self.log_lines >= MAX_LOG_LINES,
        }
        return [name for name, exceeded in bounds.items() if exceeded]

    def cells(self) -> list[str]:
        served = "not served"
        if self.served_s is not None:
            served = f"served after {self.served_s:.1f} s, {self.in_time} frames in time"
        became = ", ".join(f"{count} {what}" for what, count in self.connections.most_common())
        broken = ", ".join(self.broken) or "none"
        return [
            self.case.text,
            became,
            served,
            f"{self.health_ms:.0f} ms",
            str(self.log_lines),
            broken,
        ]


async def run(case: Case, checkout: Path) -> Row:
    """The connections first, then the publisher, which tries again while it is refused."""
    clip = EncodedClip(fps=FPS, long_sides=(128, 192), bits=(0.1, 0.6), seconds=2.0)
    await asyncio.to_thread(clip.prepare)
    async with server_process(checkout, case.descriptors) as server, _slow(server, case) as ended:
        lines = server.log_lines()
        began_ms = now_ms()
        served_s, in_time, health = None, 0, 0.0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * SERVED_S):
                served_s, in_time, health = await _publish(server, clip, began_ms)
        return Row(
            case, Counter(ended.values()), served_s, in_time, health, server.log_lines() - lines
        )


async def _publish(
    server: ServerProcess, clip: EncodedClip, began_ms: float
) -> tuple[float, int, float]:
    """Seconds until the first answer in time, answers in time, the slowest health check's ms."""
    while True:
        try:
            async with publishing(server.url, clip, slo_ms=SLO_MS, label="newcomer") as one:

                def in_time() -> int:
                    return sum(each.outcome == IN_TIME for each in one.outcomes.frames)

                await one.wait_for(lambda _: in_time() >= 1, SERVED_S)
                served_s = (now_ms() - began_ms) / 1000.0
                with health_probe(server.url) as answers:
                    await one.wait_for(lambda _: in_time() >= ANSWERS, SERVED_S)
                return served_s, in_time(), max((ms for _, ms in answers), default=0.0)
        except PublishError:  # no room yet
            await asyncio.sleep(0.5)


@asynccontextmanager
async def _slow(server: ServerProcess, case: Case) -> AsyncIterator[dict[int, str]]:
    """The connections, each of which sends a byte twice a second; what became of each so far."""
    address = urlsplit(server.url)
    states: dict[int, str] = {}

    async def one(number: int) -> None:
        source = f"127.0.1.{1 + number % case.addresses}"
        try:
            reader, writer = await asyncio.open_connection(
                address.hostname, address.port, local_addr=(source, 0)
            )
        except OSError:
            states[number] = "refused"
            return
        states[number] = "open"
        try:
            writer.write(_HEAD[: 1 + number % len(_HEAD)])
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_DRIP_S):
                        if not await reader.read(4096):
                            break
                writer.write(b"x")
        except OSError:
            pass
        finally:
            states[number] = "closed"
            writer.transport.abort()

    tasks = [asyncio.create_task(one(number)) for number in range(case.connections)]
    try:
        async with asyncio.timeout(60):
            while len(states) < case.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        yield states
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


_COLUMNS = (
    "connections",
    "became",
    "publisher",
    "slowest `/healthz`",
    "log lines",
    "bounds broken",
)


def main() -> int:
    """Exit status: 0, or 1 if a bound was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.hostile.slow_connections", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--server", type=Path, default=Path.cwd(), metavar="DIR", help="a checkout")
    server = parser.parse_args().server.resolve()
    print(_line(_COLUMNS))
    print(_line(["---"] * len(_COLUMNS)), flush=True)
    broken = False
    for number, case in enumerate(CASES, start=1):
        print(f"{number} of {len(CASES)}: {case.text} ...", file=sys.stderr, flush=True)
        row = asyncio.run(run(case, server))
        print(_line(row.cells()), flush=True)
        broken |= bool(row.broken)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
