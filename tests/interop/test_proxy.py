"""The server below a path of a real nginx: publishers, event streams, page and admin page."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.browser.cameras import numbered
from tests.browser.pages import SESSION_LOOP, opened
from tests.nginx import nginx, proxying
from tests.publisher import publishing
from tests.serving import base, noise, serving

pytestmark = [pytest.mark.interop, nginx]

PAGE = Path(__file__).parents[2] / "docs/operate/proxies.md"
TOKEN = "correct horse"


def documented() -> str:
    """The `location` of the documentation."""
    found = re.search(r"```nginx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


UNSTRIPPED = "location /edge/ { proxy_pass http://127.0.0.1:8443; }"
STRIPPED = "location /edge/ { proxy_pass http://127.0.0.1:8443/; }"


@asynccontextmanager
async def proxied(folder: Path, location: str, **settings: object) -> AsyncIterator[str]:
    """The URL, with /edge at its end, of a server behind nginx with that `location`."""
    settings = {"trusted_proxies": ["127.0.0.1"], "admin_token": TOKEN, **settings}
    async with serving(**settings) as server:
        text = location.replace("http://127.0.0.1:8443", base(server))
        assert text != location
        async with proxying(folder, text) as url:
            yield f"{url}/edge"


@pytest.mark.parametrize(
    ("location", "root_path"),
    [(documented(), ""), (documented(), "/edge"), (STRIPPED, "/edge"), (UNSTRIPPED, "/edge")],
)
async def test_a_publisher_below_a_path_gets_its_results_and_ends(
    tmp_path: Path, location: str, root_path: str
) -> None:
    async with (
        proxied(tmp_path, location, root_path=root_path) as url,
        aiohttp.ClientSession() as http,
        publishing(url, noise(320, 192), channels=False) as me,
    ):
        path = me.response["Location"]
        assert path.startswith("/edge/whip/")
        session = url.removesuffix("/edge") + path
        async with http.get(f"{session}/results") as stream:
            async with asyncio.timeout(30):
                assert (await stream.content.readline()).startswith(b": ")
                while b'"detections"' not in await stream.content.readline():
                    pass
        async with http.delete(session) as ended:
            assert ended.status == 200
        async with http.get(session) as gone:
            assert gone.status == 410


async def test_the_admin_right_below_a_path(tmp_path: Path) -> None:
    async with (
        proxied(tmp_path, documented()) as url,
        aiohttp.ClientSession() as http,
    ):
        for path in ("/admin", "/api/sessions", "/metrics", "//admin", "/x/../api/sessions"):
            async with http.get(f"{url}{path}", allow_redirects=False) as it:
                assert it.status in (401, 404), path
        html = {"Accept": "text/html"}
        async with http.get(f"{url}/admin", headers=html, allow_redirects=False) as it:
            assert (it.status, it.headers["Location"]) == (303, "/edge/admin/login")
        form = {"token": TOKEN}
        async with http.post(f"{url}/admin/login", data=form, allow_redirects=False) as it:
            assert (it.status, it.headers["Location"]) == (303, "/edge/admin")
            assert "Path=/edge;" in it.headers["Set-Cookie"]
        async with http.get(f"{url}/admin/events") as it:
            async with asyncio.timeout(30):
                assert (await it.content.readline()).startswith(b": ")


@pytest.mark.browser
@SESSION_LOOP
@pytest.mark.parametrize(("location", "root_path"), [(documented(), ""), (UNSTRIPPED, "/edge")])
async def test_the_page_and_the_admin_page_below_a_path(
    tmp_path: Path, location: str, root_path: str
) -> None:
    camera = numbered(width=320, height=192)
    async with (
        proxied(tmp_path, location, root_path=root_path) as url,
        opened(f"{url}/", camera, complaints=True) as watched,
    ):
        await watched.open(autostart=1, slo=2000)
        await watched.until("edge.snapshot().counts.in_time > 10", 60.0)
        page = watched.page
        await page.goto(f"{url}/admin")
        assert page.url == f"{url}/admin/login"
        await page.get_by_label("Admin token").fill(TOKEN)
        await page.get_by_role("button", name="Log in").click()
        await page.wait_for_url(f"{url}/admin")
        async with page.expect_response(f"{url}/admin/events"):
            await page.reload()
        broken = [each for each in watched.requests if not each.startswith((url, "data:", "blob:"))]
        assert not broken
