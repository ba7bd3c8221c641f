"""Other people's pages, on another origin than the server: the examples of docs/embed/examples."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from edge.server import Server
from tests.npm import NpmMissingError

from ..nginx import nginx, proxying
from ..serving import base, serving
from .cameras import READ_BARCODE, numbered
from .embedding import EXAMPLES, hosting, query, react_app
from .pages import SESSION_LOOP, opened

pytestmark = [pytest.mark.browser, SESSION_LOOP, pytest.mark.timeout(300)]

TOKEN = "a publisher's token"
MANY = 30  # frames: seconds of them
NO_WORKERS = "worker-src 'none'"


@asynccontextmanager
async def example(
    folder: Path, tmp_path: Path, server: str, token: str = "", policy: str = ""
) -> AsyncIterator[Page]:
    """An example's page from its own origin, which has asked for the server's address."""
    camera = numbered()
    async with hosting(folder, policy) as url, opened(url, camera, complaints=True) as watched:
        await watched.page.goto(f"{url}?{query(server, token)}")
        yield watched.page
        watched.requests.clear()  # they go to the server, too


async def until(condition: Callable[[], object], timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - of counts in the server, which tell nobody
            await asyncio.sleep(0.1)


async def answered(server: Server) -> None:
    """Wait until a session has many frames answered."""

    def enough() -> bool:
        return any(
            view.outcomes.get("in_time", 0) + view.outcomes.get("answered_late", 0) > MANY
            for view in server.sessions.views()
        )

    await until(enough, 90)


async def served(server: Server, page: Page) -> None:
    """Wait until the page's session has many frames answered, and shows its pictures."""
    await answered(server)
    await page.wait_for_function("() => document.querySelector('[role=status]').textContent")
    read = f"() => ({READ_BARCODE})(document.querySelector('canvas'), false) >= 0"
    await page.wait_for_function(read)


@pytest.mark.parametrize("token", ["", TOKEN])
async def test_a_plain_page(tmp_path: Path, token: str) -> None:
    settings: dict[str, Any] = {"token": token} if token else {}
    async with serving(**settings) as server:
        async with example(EXAMPLES / "plain", tmp_path, server.url, token) as page:
            await served(server, page)
        await until(lambda: not server.sessions.views(), 30)  # the page is closed: its session ends


async def test_a_wrong_token_is_told_in_words(tmp_path: Path) -> None:
    async with (
        serving(token=TOKEN) as server,
        example(EXAMPLES / "plain", tmp_path, server.url, "wrong") as page,
    ):
        await page.get_by_text("That token is not accepted").wait_for()
        assert not server.sessions.views()


async def test_a_page_whose_policy_forbids_workers(tmp_path: Path) -> None:
    """Frames are then matched by the server's times, and none is held back."""
    async with (
        serving() as server,
        example(EXAMPLES / "plain", tmp_path, server.url, policy=NO_WORKERS) as page,
    ):
        await served(server, page)


@nginx
async def test_a_server_below_a_path_behind_a_proxy(tmp_path: Path) -> None:
    async with serving(root_path="/edge", trusted_proxies=["127.0.0.1"]) as server:
        block = (
            f"location /edge/ {{ proxy_pass {base(server)}/; proxy_set_header Host $http_host; }}"
        )
        async with (
            proxying(tmp_path, block) as url,
            example(EXAMPLES / "plain", tmp_path, f"{url.rstrip('/')}/edge/") as page,
        ):
            await served(server, page)


@pytest.mark.interop
@pytest.mark.parametrize("token", ["", TOKEN])
async def test_a_react_app(tmp_path: Path, token: str) -> None:
    try:
        built = await asyncio.to_thread(react_app, tmp_path)
    except NpmMissingError as missing:
        pytest.skip(str(missing))
    settings: dict[str, Any] = {"token": token} if token else {}
    async with (
        serving(**settings) as server,
        example(built, tmp_path, server.url, token) as page,
    ):
        await served(server, page)


@pytest.mark.parametrize("token", ["", TOKEN])
async def test_the_whole_page_in_a_frame(tmp_path: Path, token: str) -> None:
    settings: dict[str, Any] = {"token": token} if token else {}
    async with serving(frame_ancestors=["http://127.0.0.1:*"], **settings) as server:
        # The page takes its token from the fragment.
        address = f"{base(server)}/?slo=2000#token={token}"
        async with example(EXAMPLES / "iframe", tmp_path, address) as page:
            frame = page.frame_locator("iframe")
            await frame.locator("#welcome-camera").click()
            await answered(server)
            assert await frame.locator("#status").inner_text() == "Live"


@pytest.mark.parametrize("ancestors", [[], ["https://app.example"]])
async def test_no_frame_where_it_is_not_allowed(tmp_path: Path, ancestors: list[str]) -> None:
    async with serving(frame_ancestors=ancestors) as server:
        camera = numbered()
        async with (
            hosting(EXAMPLES / "iframe") as url,
            opened(url, camera, complaints=True) as watched,
        ):
            await watched.page.goto(f"{url}?{query(server.url)}")
            await (
                watched.page.frame_locator("iframe")
                .locator("body.neterror")
                .wait_for(state="attached")
            )
            assert any("frame-ancestors" in words for words in watched.complaints)
            watched.requests.clear()
