"""The light publisher against a server in the same process, over real ICE, DTLS and SRTP."""

from __future__ import annotations

import asyncio

from netem.encodes import Encodes
from netem.publisher import publishing
from tests.serving import base, serving


async def test_one():
    clip = Encodes(fps=15, edges=(128, 192), bits=(0.1, 0.4), seconds=2)
    clip.prepare()
    async with serving() as server, publishing(base(server), clip) as me:
        await me.wait_for(lambda p: p.stats().in_time >= 30)
        print(me.hints, me.switches, me.stats(), me.session, me.server_stats, me.estimate_bps, me._exchanges)
    print([f for f in me.ledger.frames if f.outcome != "in_time"], len(me.ledger.frames))
    print(asyncio.all_tasks())
