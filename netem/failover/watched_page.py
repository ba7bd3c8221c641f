"""The publisher's page in a real browser, and when each step of its connections was taken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from netem.links.emulated_link import EmulatedLink
from netem.links.namespaced_browser import chromium_behind

WAIT_S = 90.0
_CLOCK_READINGS = 7
_LOOK_S = 0.25
STEPS = ("posted", "accepted", "ice", "dtls", "open", "answered")
# Notes on the page's own clock what becomes of each connection: `__connections`, in order of their
# making, and what was asked of sessions' URLs: `__asks`.
_WATCH = """
{
  const now = () => performance.timeOrigin + performance.now();
  const connections = (window.__connections = []);
  const asks = (window.__asks = []);
  const Base = RTCPeerConnection;
  window.RTCPeerConnection = class extends Base {
    constructor(...given) {
      super(...given);
      const steps = { made: now() };
      const it = { pc: this, steps, node: null, answers: [], first: null };
      connections.push(it);
      const note = (name) => (steps[name] ??= now());
      this.addEventListener("iceconnectionstatechange", () => {
        if (["connected", "completed"].includes(this.iceConnectionState)) note("ice");
      });
      this.addEventListener("connectionstatechange", () => {
        if (this.connectionState === "connected") note("dtls");
      });
      this.__it = it;
    }
    createDataChannel(...given) {
      const channel = super.createDataChannel(...given);
      const it = this.__it;
      channel.addEventListener("open", () => (it.steps.open ??= now()));
      channel.addEventListener("message", ({ data }) => {
        if (!String(data).includes('"detections"')) return;
        it.steps.answered ??= now();
        it.first ??= JSON.parse(data).t;
        it.answers.push(now());
        if (it.answers.length > 400) it.answers.shift();
      });
      return channel;
    }
  };
  const plain = window.fetch;
  window.fetch = async (url, options = {}) => {
    const { method = "GET", body } = options;
    const it = method === "POST" && connections.find(({ pc }) => pc.localDescription?.sdp === body);
    if (it) it.steps.posted = now();
    const ask = method === "GET" && String(url).includes("/whip/") ? { begun: now() } : null;
    if (ask) asks.push(ask);
    try {
      const response = await plain(url, options);
      if (ask) Object.assign(ask, { ended: now(), status: response.status });
      if (it) {
        it.steps.accepted = now();
        it.node = /\\/n\\/([^/]+)\\//.exec(response.headers.get("Location") ?? "")?.[1] ?? null;
      }
      return response;
    } catch (error) {
      if (ask) Object.assign(ask, { ended: now(), status: 0 });
      throw error;
    }
  };
}"""
# The number of the connection whose answers have come for `calmMs`, and still come; else null.
_ANSWERED = """(calmMs) => {
  const nowMs = performance.timeOrigin + performance.now();
  const all = window.__connections;
  for (let n = all.length - 1; n >= 0; n -= 1) {
    const { answers } = all[n];
    if (answers.length && nowMs - answers.at(-1) < 500)
      return nowMs - answers[0] > calmMs ? n : null;
  }
  return null;
}"""
_LOOK = """([from, sinceMs]) => {
  const all = window.__connections;
  const next = all.findIndex(({ answers }, n) => n >= from && answers.length);
  if (next < 0) return null;
  const { steps, node, first } = all[next];
  const ask = window.__asks.find(({ begun }) => begun > sinceMs) ?? null;
  return { next, steps, node, first, ask, made: all.length - from };
}"""
_MADE = "[window.__asks.length, window.__connections.length]"
_COUNT = "window.__connections.filter(({ answers }) => answers.length).length"


class NotAnsweredError(Exception):
    """The page was not answered in time; the message says since when."""


class WatchedPage:
    """The page; its times are Unix ms of its own clock."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._offset_ms = 0.0

    async def settled(self, calm_ms: float) -> int:
        """Once one connection has been answered for so long: its number."""
        number = await self._until(_ANSWERED, calm_ms, "the page was not answered steadily")
        await self._read_clock()
        return int(number)

    async def _until(self, script: str, argument: object, failure: str) -> Any:
        """What the script finds, once that is not null. By separate calls: the page's own timers
        are not disturbed between them."""
        try:
            async with asyncio.timeout(WAIT_S):
                while (found := await self._page.evaluate(script, argument)) is None:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise NotAnsweredError(f"{failure} within {WAIT_S:g} s") from None
        return found

    def now_ms(self) -> float:
        """The page's clock, without asking the page."""
        return 1000.0 * time.monotonic() + self._offset_ms

    async def _read_clock(self) -> None:
        best_s = float("inf")
        for _ in range(_CLOCK_READINGS):
            begin_s = time.monotonic()
            read_ms = float(await self._page.evaluate("performance.timeOrigin + performance.now()"))
            took_s = time.monotonic() - begin_s
            if took_s < best_s:
                best_s = took_s
                self._offset_ms = read_ms - 1000.0 * (begin_s + took_s / 2.0)

    async def node_of(self, number: int) -> str:
        """The node that has that connection."""
        return str(await self._page.evaluate("(n) => window.__connections[n].node", number))

    async def successor(self, former: int, since_ms: float) -> Mapping[str, Any]:
        """The first later connection that was answered: its steps, its node, and what was asked."""
        found = await self._until(_LOOK, [former + 1, since_ms], "no boxes came again")
        return dict(found)

    async def answered_connections(self) -> int:
        """How many connections have had answers so far: one more for each move."""
        return int(await self._page.evaluate(_COUNT))

    async def suspicions(self) -> tuple[int, int]:
        """How often a session's URL was asked so far, and how many connections were made."""
        asked, made = await self._page.evaluate(_MADE)
        return int(asked), int(made)


def legs_of(found: Mapping[str, Any], since_ms: float) -> dict[str, float]:
    """The time from `since_ms` to the first answer in its parts, which add up; ms.

    `noticed` until the session's URL was asked (or the offer left, where that was first), `asked`
    until that was answered or the offer left, then the steps of the new connection, each until it
    was done. One that was done before its predecessor takes 0.
    """
    steps, ask = found["steps"], found["ask"] or {}
    posted_ms = steps["posted"]
    noticed_ms = min(ask.get("begun", posted_ms), posted_ms)
    replied_ms = min(ask.get("ended", posted_ms), posted_ms)
    times = {"noticed": noticed_ms, "asked": replied_ms} | {
        name: steps.get(name, 0.0) for name in STEPS
    }
    legs, before_ms = {}, since_ms
    for name, done_ms in times.items():
        at_ms = min(max(done_ms, before_ms), steps["answered"])
        legs[name], before_ms = at_ms - before_ms, at_ms
    return legs


@asynccontextmanager
async def watched_page(
    film: Path, link: EmulatedLink, url: str, folder: Path
) -> AsyncIterator[WatchedPage]:
    """The page at `url`, in a browser in the link's namespace."""
    origin = url.partition("/?")[0]
    async with chromium_behind(link, film, origin, folder) as browser:
        page = browser.pages[0]
        page.set_default_timeout(1000.0 * WAIT_S)
        await page.add_init_script(_WATCH)
        await page.goto(url)
        yield WatchedPage(page)
