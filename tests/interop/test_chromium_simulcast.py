"""Chromium offers three layers; whatever it sends of them, the best is served and each frame counts
once."""

from __future__ import annotations

import pytest

from edge.assets.browser import BrowserMissingError, chromium_path
from tests.browser.browsers import BROWSERS
from tests.browser.pages import SESSION_LOOP
from tests.interop.chromium_simulcast import publish

pytestmark = [pytest.mark.interop, pytest.mark.browser, SESSION_LOOP]


@pytest.fixture(autouse=True)
def _installed() -> None:
    try:
        chromium_path()
    except BrowserMissingError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(("codec", "order"), [("VP8", "qhf"), ("VP8", "fhq"), ("H264", "qhf")])
async def test_it_sends_the_one_layer_that_is_asked_for(codec: str, order: str) -> None:
    async with BROWSERS.page() as page:
        sent = await publish(page, codec, order, size=(320, 192))
    assert len(sent.sources) == 1
    assert set(sent.sizes) == {(320, 192)}
    assert sent.outcomes.total() == sent.frames["f"] > 0
    assert sent.outcomes["lost"] == 0


async def test_an_inactive_layer_is_passed_over() -> None:
    async with BROWSERS.page() as page:
        sent = await publish(page, "VP8", "qh~f", size=(640, 384))
    assert len(sent.sources) == 1
    assert set(sent.sizes) == {(320, 192)}
    assert sent.outcomes.total() == sent.frames["h"] > 0


@pytest.mark.parametrize("order", ["qhf", "fhq"])
async def test_of_layers_that_all_come_the_best_is_served(order: str) -> None:
    """Its encoder leaves out frames of single layers: a capture has one end all the same. Which
    layer is the best depends on the plan, and the plan on what else the machine does."""
    async with BROWSERS.page() as page:
        sent = await publish(page, "VP8", order, all_layers=True, seconds=8.0, size=(960, 576))
    assert len(sent.sources) == 3
    assert sent.sizes[-1] in ((960, 576), (480, 288), (240, 144))
    most = max(sent.frames.values())
    assert most <= sent.outcomes.total() <= most + 5
    assert sent.outcomes["answered"] > 0
