"""An attack's own process: `python -m tests.hostile.attack_process NAME URL`.

It prints a JSON line once it is ready, waits for a line on standard input, attacks, and prints a
JSON line with the outcome. It never outlives its parent, nor `LIFE_S`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import sys

from edge.base.clock import now_ms
from edge.ipc.parent_watch import terminate_with_parent
from tests.hostile.attack import ATTACK_S, NOTICE_S, HttpAttack, PeerAttack
from tests.hostile.attacks.catalogue import ATTACKS
from tests.hostile.peer import HostilePeer

LIFE_S = 60  # SIGALRM ends the process after it


def _report(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


async def _go() -> None:
    await asyncio.to_thread(sys.stdin.readline)


async def attack_as_peer(attack: PeerAttack, url: str) -> None:
    peer = HostilePeer()
    await peer.connect(url)
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    _report(event="ready")
    await _go()
    began_ms = now_ms()
    ended_ms: list[float] = []

    async def watch() -> None:
        await peer.ended.wait()
        ended_ms.append(now_ms())

    watching = asyncio.create_task(watch())
    attacking = asyncio.ensure_future(attack.run(peer))
    await asyncio.wait([watching, attacking], timeout=ATTACK_S, return_when="FIRST_COMPLETED")
    if not ended_ms:
        await asyncio.wait([watching], timeout=NOTICE_S)
    failed = attacking.exception() if attacking.done() and not ended_ms else None
    attacking.cancel()
    outcome = "ended" if ended_ms else "kept" if failed is None else f"failed: {failed!r}"
    if peer.end_code == "timeout":  # it sent neither pings nor video: no reaction to the attack
        ended_ms, peer.end_code, outcome = [], "", "kept"
    seconds = (ended_ms[0] - began_ms) / 1000.0 if ended_ms else None
    _report(event="done", ended_s=seconds, outcome=peer.end_code or outcome)
    await peer.close()


async def attack_by_http(attack: HttpAttack, url: str) -> None:
    _report(event="ready")
    await _go()
    outcome = "until its time was over"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ATTACK_S):
            outcome = await attack.run(url)
    _report(event="done", ended_s=None, outcome=outcome)


def main() -> None:
    terminate_with_parent()
    signal.alarm(LIFE_S)
    logging.disable(logging.CRITICAL)
    attack = next(each for each in ATTACKS if each.name == sys.argv[1])
    if isinstance(attack, PeerAttack):
        asyncio.run(attack_as_peer(attack, sys.argv[2]))
    else:
        asyncio.run(attack_by_http(attack, sys.argv[2]))


if __name__ == "__main__":
    main()
