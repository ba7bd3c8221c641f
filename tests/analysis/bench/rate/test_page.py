"""The benchmark's page in real Chromium: it publishes with the product's own modules."""

from __future__ import annotations

import pytest

from analysis.bench.rate.receivers import ReceiverServer
from edge.assets.browser import BrowserMissingError, chromium, chromium_path

try:
    chromium_path()
    MISSING = ""
except BrowserMissingError as error:
    MISSING = str(error)

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(MISSING), reason=MISSING)]
UNTIL_ENCODED = """async () => {
  while ((await bench.stats()).framesEncoded < 30) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}"""


async def test_it_publishes_obeys_hints_and_reports_what_it_encoded() -> None:
    async with ReceiverServer("127.0.0.1", 1_000_000.0, 15.0) as server:
        flags = [f"--unsafely-treat-insecure-origin-as-secure={server.url.rstrip('/')}"]
        async with chromium(flags=flags) as browser:
            page = await browser.new_page()
            await page.goto(server.url)
            await page.wait_for_function("window.bench")
            options = {"receiver": "receiver", "fps": 20, "firstBps": 300_000}
            await page.evaluate("(options) => bench.publish(options)", options)
            receiver = server.current
            assert receiver is not None
            await page.evaluate(UNTIL_ENCODED)
            assert receiver.caps, "it was sent hints"
            assert receiver.decoded().at_ms
            report = await page.evaluate("() => bench.finish()")
            await receiver.close()
    assert len(report["encoded"]) >= 10
    assert report["offset_ms"] is not None
