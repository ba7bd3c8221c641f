"""A browser whose every packet takes the way over a real coturn."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import IceServer

from ..coturn import SECRET, coturn, turnserver
from ..serving import serving
from .pages import SESSION_LOOP, opened

pytestmark = [pytest.mark.browser, SESSION_LOOP, coturn]

RELAY_ONLY = """
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(configuration) {
    super({ ...configuration, iceTransportPolicy: "relay" });
    window.relayed = this;
  }
};
"""
PAIR = """
async () => {
  const stats = await window.relayed.getStats();
  const pair = [...stats.values()].find((each) => each.type === "candidate-pair" && each.nominated);
  return stats.get(pair.localCandidateId).candidateType;
}
"""


async def test_the_page_asks_for_its_relay_and_gets_through_by_it(tmp_path: Path) -> None:
    async with (
        turnserver(tmp_path) as url,
        serving(turn_secret=SECRET, ice_servers=[IceServer(urls=[url])], token="hush") as server,
        opened(server.url, scripts=[RELAY_ONLY]) as watched,
    ):
        await watched.page.goto(f"{server.url}?autostart=1&source=sample&slo=1000#token=hush")
        await watched.until("edge.counts.in_time > 5", 60)
        assert await watched.page.evaluate(PAIR) == "relay"
