"""Headless Chromium, as Debian ships it, with a video file for its camera."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edge.base.event_log import get_logger

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

log = get_logger("edge.assets.browser")

_Started = TypeVar("_Started")

# No requests to the vendor's hosts, and no throttling that would affect timings.
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--autoplay-policy=no-user-gesture-required",
)

_START_TIMEOUT_MS = (45_000.0, 90_000.0)  # of the first browser, and of another if it hangs


class BrowserMissingError(Exception):
    """No Chromium was found; the message says what to install."""


def chromium_path() -> str:
    """The browser's executable: `$EDGE_CHROMIUM`, or the first of the usual names on the path."""
    for name in (os.environ.get("EDGE_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    raise BrowserMissingError(
        "Chromium is missing: install Debian's package `chromium`, or set EDGE_CHROMIUM"
    )


def camera_flags(camera: Path | None) -> list[str]:
    """Flags that grant the camera unasked and, with a file (.y4m or .mjpeg), play it as one."""
    flags = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    if camera is not None:
        flags.append(f"--use-file-for-fake-video-capture={camera}")
    return flags


def launch_options(
    camera: Path | None = None,
    flags: Sequence[str] = (),
    executable: str | Path | None = None,
) -> dict[str, Any]:
    """What Playwright starts a browser with; BrowserMissingError if there is none."""
    arguments = [*_FLAGS, *camera_flags(camera), *flags]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium refuses to run sandboxed as root
    path = executable or chromium_path()
    return {"executable_path": path, "headless": True, "args": arguments}


async def started(start: Callable[[float], Awaitable[_Started]]) -> _Started:
    """What `start(timeout_ms)` starts; one that hangs as it starts gives way to another."""
    from playwright.async_api import TimeoutError as StartTimeoutError  # noqa: PLC0415

    try:
        return await start(_START_TIMEOUT_MS[0])
    except StartTimeoutError:
        log.warning("browser_hung", after_s=_START_TIMEOUT_MS[0] / 1000.0)
        return await start(_START_TIMEOUT_MS[1])


@asynccontextmanager
async def chromium(
    camera: Path | None = None,
    *,
    flags: Sequence[str] = (),
    executable: str | Path | None = None,
    **context: Any,
) -> AsyncIterator[BrowserContext]:
    """A fresh headless browser; `context` goes to Playwright (viewport, is_mobile, ...).

    `executable` is started in the place of `chromium_path()`. The browser's profile is a temporary
    folder that is removed afterwards.
    """
    # Imported here, since the server and `edge setup` work without it.
    from playwright.async_api import async_playwright  # noqa: PLC0415

    options = launch_options(camera, flags, executable)
    async with async_playwright() as playwright, AsyncExitStack() as stack:

        async def start(timeout_ms: float) -> BrowserContext:
            profile = tempfile.TemporaryDirectory(
                prefix="edge-chromium-", ignore_cleanup_errors=True
            )
            return await playwright.chromium.launch_persistent_context(
                stack.enter_context(profile),
                ignore_https_errors=True,
                timeout=timeout_ms,
                **options,
                **context,
            )

        browser = await started(start)
        try:
            yield browser
        finally:
            await browser.close()
