"""Starting a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.assets import browser
from edge.assets.browser import BrowserMissingError, chromium, chromium_path

pytestmark = pytest.mark.browser


async def test_one_that_hangs_as_it_starts_gives_way_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        path = chromium_path()
    except BrowserMissingError as error:
        pytest.skip(str(error))
    hung, script = tmp_path / "hung", tmp_path / "chromium"
    script.write_text(f'#!/bin/sh\nif mkdir {hung}; then exec sleep 1000; fi\nexec {path} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr(browser, "_START_TIMEOUT_MS", (1_000.0, 90_000.0))
    async with chromium(executable=script) as opened:
        assert await opened.pages[0].evaluate("1 + 1") == 2
    assert hung.exists()
    assert "event=browser_hung" in caplog.text
