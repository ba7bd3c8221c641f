"""Chromium in a link's namespace, on a page of a plain HTTP origin that may use the camera."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext

from edge.assets.browser import chromium, chromium_path
from netem.links.emulated_link import EmulatedLink
from netem.links.namespace import RUN


@asynccontextmanager
async def chromium_behind(
    link: EmulatedLink, film: Path, origin: str, folder: Path, **more: Any
) -> AsyncIterator[BrowserContext]:
    """A browser with `film` as its camera, one page, and a script of its own in `folder`.

    `more` are options of its context (viewport, ...). Raises BrowserMissingError.
    """
    script = folder / f"chromium-{link.namespace}"
    space = RUN / link.namespace
    script.write_text(f'#!/bin/sh\nexec nsenter --net={space} -- {chromium_path()} "$@"\n')
    script.chmod(0o755)
    flags = [f"--unsafely-treat-insecure-origin-as-secure={origin}"]
    async with chromium(film, flags=flags, executable=script, **more) as browser:
        yield browser
