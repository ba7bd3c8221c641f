"""The page at a director's address: its session is on a node, and on another when that one is
drained or dies."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from edge.fleet.subjects import DRAIN
from tests.fleet.engine import NatsServer, nats
from tests.fleet.listener import listening_to
from tests.fleet.processes import becomes, director, node, running
from tests.free_port import free_port

from .cameras import numbered
from .pages import SESSION_LOOP, opened

pytestmark = [pytest.mark.browser, SESSION_LOOP, nats, pytest.mark.timeout(600)]

ONLINE = "() => window.dispatchEvent(new Event('online'))"


async def test_the_page_is_served_and_comes_back_from_a_node_that_was_killed(
    tmp_path: Path,
) -> None:
    async with NatsServer() as engine:
        head = director(tmp_path, "--fleet", engine.url, port=free_port())
        nodes = {
            name: node(engine.url, tmp_path, EDGE_FLEET=f'{{"name": "{name}"}}')
            for name in ("a", "b")
        }
        async with running(head, *nodes.values()):
            for name in nodes:
                await head.says(f"event=node_new node={name} ".encode())
            await becomes(head.url + "readyz", 200)
            origin = head.url.replace("127.0.0.1", "localhost")  # where a browser opens a camera
            async with opened(origin, numbered(), complaints=True) as page:
                await page.open(autostart=1, slo=5000)
                await page.until("edge.counts.in_time > 3", 120.0)
                first = await page.page.evaluate("() => window.__edge.snapshot().session")
                # Another network: the successor is on the same node, which hands over.
                await page.page.evaluate(ONLINE)
                await page.until(f"edge.snapshot().session !== {first!r}", 120.0)
                before = (await page.snapshot())["counts"]["in_time"]
                await page.until(f"edge.counts.in_time > {before + 5}", 120.0)
                snapshot = await page.snapshot()
                assert (snapshot["replacements"], snapshot["reconnects"]) == (1, 0)

                def holder(session: str) -> str:
                    line = f"event=session_opened session={session[:6]}".encode()
                    [held] = [name for name, each in nodes.items() if line in each.output]
                    return held

                # Its node is drained: the other one has it, without a moment between.
                async with listening_to(engine.url) as listener:
                    drained = holder(snapshot["session"])
                    await listener.ask(DRAIN, drained, {"on": True})
                    await page.until(f"edge.snapshot().session !== {snapshot['session']!r}", 120.0)
                    await listener.next(lambda beat: beat.node == drained and not beat.sessions)
                    await listener.ask(DRAIN, drained, {"on": False})
                snapshot = await page.snapshot()
                assert holder(snapshot["session"]) != drained
                assert (snapshot["replacements"], snapshot["reconnects"]) == (2, 0)
                assert "stopped" not in snapshot["counts"]["dropped"]
                await nodes[holder(snapshot["session"])].end(signal.SIGKILL)
                await page.until(f"edge.snapshot().session !== {snapshot['session']!r}", 120.0)
                before = (await page.snapshot())["counts"]["in_time"]
                await page.until(f"edge.counts.in_time > {before + 5}", 120.0)
                assert (await page.snapshot())["reconnects"] == 1
                assert not [
                    url for url in page.requests if url.startswith("http:") and origin not in url
                ]
