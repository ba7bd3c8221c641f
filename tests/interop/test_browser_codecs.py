"""Browsers publish one codec alone, VP9 and AV1 also in layers: every frame has one outcome."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from edge.assets.browser import BrowserMissingError, chromium_path
from tests.browser.browsers import BROWSERS
from tests.browser.conftest import firefox_path
from tests.browser.firefox import firefox
from tests.browser.pages import SESSION_LOOP
from tests.interop.codec_table import PAGE
from tests.serving import base, local, serving

pytestmark = [pytest.mark.interop, pytest.mark.browser, SESSION_LOOP]

SECONDS = 4.0


def _check(published: dict[str, Any], outcomes: Counter[str], layers: int = 1) -> None:
    """Chromium counts the frames of all of a picture's spatial `layers` that it sends: all of them,
    or fewer where the machine is busy, where it also falls silent in mid-frame."""
    assert "refused" not in published, published
    sent = published["sent"]
    assert outcomes.total() - 1 <= sent <= layers * (outcomes.total() + 1), (outcomes, published)
    assert outcomes["lost"] <= outcomes.total() // 4, outcomes
    assert outcomes["answered"] > 0, outcomes


async def _publish_from_chromium(
    codec: str, mode: str, **settings: Any
) -> tuple[Any, Any, set[Any]]:
    """What the page says, the session, and the sizes of the pictures that came."""
    try:
        chromium_path()
    except BrowserMissingError as missing:
        pytest.skip(str(missing))
    async with BROWSERS.page() as page, serving(**settings) as server:
        await page.goto(f"{base(server)}/metrics")
        task = asyncio.ensure_future(page.evaluate(PAGE, [codec, SECONDS, mode]))
        session, sizes = None, set()
        while not task.done():  # a registry has no event to wait for
            session = session or next(iter(local(server)), None)
            if session is not None:
                sizes.add(session._frames.size)
            await asyncio.wait([task], timeout=0.05)
        return await task, session, sizes


@pytest.mark.parametrize("mode", ["", "L1T2", "L1T3", "L2T1", "L3T3_KEY", "L2T2"])
@pytest.mark.parametrize("codec", ["VP9", "AV1"])
async def test_chromium_publishes_it(codec: str, mode: str) -> None:
    published, session, sizes = await _publish_from_chromium(codec, mode)
    _check(published, session.outcomes, int(mode[1:2] or 1))
    # Of several spatial layers the largest; Chromium leaves it out of frames on a busy machine.
    assert (640, 384) in sizes


async def test_a_codec_that_is_switched_off_is_refused() -> None:
    published, *_ = await _publish_from_chromium("VP9", "", codecs=["vp8"])
    assert "VP9 is switched off (this server takes VP8)" in published["refused"]


@pytest.mark.parametrize("codec", ["VP9", "AV1"])
async def test_firefox_publishes_it(codec: str) -> None:
    path = firefox_path()
    if path is None:
        pytest.skip("Firefox is missing: install `firefox-esr`")
    async with serving() as server:
        with firefox(path) as running:

            def work() -> Any:
                running.open(f"{base(server)}/metrics")
                return running.run(f"return await ({PAGE})(args);", codec, SECONDS, "")

            task = asyncio.ensure_future(asyncio.to_thread(work))
            session = None
            while session is None and not task.done():
                session = next(iter(local(server)), None)
                await asyncio.wait([task], timeout=0.05)
            outcome = await task
            assert session is not None, outcome
            _check(outcome["value"], session.outcomes)
