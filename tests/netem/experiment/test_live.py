"""Eight publishers behind eight links, one of which steps down and up again: the server follows.

Real namespaces, tbf, WebRTC and server; only the device is simulated. The objective is wide and no
time is judged, so the test does not depend on how busy this machine is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.profile.variant import SENT_LONG_SIDES
from edge.session.session import Session
from netem.footage.encoded_clip import EncodedClip
from netem.links.emulated_link import EmulatedLink
from tests.serving import local, serving, simulated
from traces import constant

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.usefixtures("no_trace_left"),
]

RATES_BPS = [1.5e6, 2e6, 2.5e6, 3e6, 4e6, 5e6, 6e6, 8e6]
STEPPED, LOW_BPS = 7, 0.25e6
SETTLED_S = 3.0  # without a change of plan, before the step
TIMEOUT_S = 300.0

Part = tuple[int, float]


@pytest.fixture
def links() -> Iterator[list[EmulatedLink]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(EmulatedLink(constant(bps), kind="kernel")) for bps in RATES_BPS]


def part(session: Session) -> Part | None:
    """What a publisher is asked for: long side, frames a second.

    Not the variant: that follows how long the device takes, and a busy machine delays it.
    """
    hint = session.hint
    return None if hint is None else (hint.max_edge, hint.fps)


def agrees(session: Session) -> bool:
    """Whether the size that arrives is the largest that the hint allows and the publisher has."""
    if session.hint is None or session.size is None:
        return False
    fitting = [long_side for long_side in SENT_LONG_SIDES if long_side <= session.hint.max_edge]
    return max(session.size) == max(fitting, default=SENT_LONG_SIDES[0])


async def until(wanted: Callable[[], bool], timeout: float, lasting_s: float = 0.0) -> None:
    """Until it has been so for `lasting_s`."""
    since = time.monotonic()
    async with asyncio.timeout(timeout):
        while True:
            now = time.monotonic()
            if not wanted():
                since = now
            elif now - since >= lasting_s:
                return
            await asyncio.sleep(0.02)


def followed(session: Session) -> bool:
    """Whether no change of size is on its way: one that gains waits until it pays."""
    assignment = session.assignment
    return (
        session.hint is not None
        and assignment is not None
        and (session.hint.max_edge == assignment.long_side or assignment.gain <= 0.0)
    )


async def settled(by_link: list[Session]) -> list[Part | None]:
    parts = [part(each) for each in by_link]

    def unchanged() -> bool:
        nonlocal parts
        before, parts = parts, [part(each) for each in by_link]
        return before == parts and all(agrees(each) and followed(each) for each in by_link)

    await until(unchanged, TIMEOUT_S, SETTLED_S)
    return parts


def publishers(links: list[EmulatedLink], port: int, folder: Path) -> list[subprocess.Popen[bytes]]:
    return [
        link.popen(
            [
                *(sys.executable, "-m", "netem", "publish"),
                f"http://{link.outside_address}:{port}",
                *("--slo-ms", "400", "--label", f"link {number}"),
                *("--json", str(folder / f"{number}.json")),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for number, link in enumerate(links)
    ]


async def test_one_link_steps_and_its_session_alone_follows(
    links: list[EmulatedLink], tmp_path: Path
) -> None:
    await asyncio.to_thread(EncodedClip().prepare)
    async with serving(host="0.0.0.0", slo_ms=400, device=[simulated()] * 4) as server:
        port = int(server.url.rstrip("/").rpartition(":")[2])
        processes = publishers(links, port, tmp_path)
        count = len(links)
        await until(
            lambda: sum(each.outcomes["answered"] > 20 for each in server.sessions) == count,
            TIMEOUT_S,
        )
        by_link = sorted(local(server), key=lambda session: session.label)
        stepped = by_link[STEPPED]
        before = await settled(by_link)
        link = links[STEPPED]

        await asyncio.to_thread(link.set_rate, LOW_BPS)
        await until(
            lambda: stepped.hint is not None and stepped.hint.max_bps < LOW_BPS and agrees(stepped),
            TIMEOUT_S,
        )
        others = [part(each) for each in by_link[:STEPPED]]
        await asyncio.to_thread(link.set_rate, RATES_BPS[STEPPED])
        await until(
            lambda: (
                stepped.hint is not None
                and stepped.hint.max_bps > 1.5 * LOW_BPS
                and agrees(stepped)
            ),
            TIMEOUT_S,
        )
        others_later = [part(each) for each in by_link[:STEPPED]]
        for process in processes:
            process.terminate()
        statuses = [await asyncio.to_thread(process.wait) for process in processes]
    assert others == others_later == before[:STEPPED]
    assert statuses == [0] * count
    for number in range(count):
        [client] = json.loads((tmp_path / f"{number}.json").read_text())
        stats = client["stats"]
        ends = (
            stats["in_time"] + stats["late"] + stats["unanswered"] + sum(stats["dropped"].values())
        )
        assert stats["captured"] == ends == len(client["frames"])
