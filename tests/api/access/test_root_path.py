"""A server below a path: what it takes, what it links to, and whom it believes."""

from __future__ import annotations

import aiohttp
import pytest

from edge.config import ConfigError, load
from tests.serving import base, serving

HTML = {"Accept": "text/html"}


@pytest.mark.parametrize("below", ["", "/edge/x.y"])
async def test_the_path_of_the_settings_is_taken_with_and_without(below: str) -> None:
    async with (
        serving(root_path="/edge/x.y/", admin_token="correct horse") as server,
        aiohttp.ClientSession() as http,
    ):
        url = base(server) + below
        async with http.get(f"{url}/") as it:
            assert it.status == 200
            text = await it.text()
            assert 'href="/edge/x.y/static/app.css"' in text
            assert '"whip": "/edge/x.y/whip"' in text
        async with http.get(f"{url}/static/app.css") as it:
            assert it.status == 200
        async with http.get(f"{url}/admin?a=b", headers=HTML, allow_redirects=False) as it:
            assert (it.status, it.headers["Location"]) == (303, "/edge/x.y/admin/login")
        for path in ("/admin", "/api/sessions", "/metrics", "/%61dmin"):
            async with http.get(f"{url}{path}", allow_redirects=False) as it:
                assert it.status == 401
        async with http.get(f"{url}/edge/x.y/edge/x.y/", allow_redirects=False) as it:
            assert it.status == 404


async def test_the_path_itself_is_the_page() -> None:
    async with serving(root_path="/edge") as server, aiohttp.ClientSession() as http:
        async with http.get(f"{base(server)}/edge") as it:
            assert it.status == 200
        async with http.get(f"{base(server)}/edgeways") as it:
            assert it.status == 404


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("/edge", "/edge"),
        ("/edge/", "/edge"),
        ("/a/b-c.d", "/a/b-c.d"),
        ("/", ""),
        ("", ""),
        ("edge", ""),
        ("//evil.example", ""),
        ("/../x", ""),
        ("https://evil.example", ""),
        ('/"><script>', ""),
        ("/edge, /other", ""),
        ("/" + "x" * 65, ""),
    ],
)
async def test_a_trusted_proxy_names_the_path_and_nobody_else(given: str, root: str) -> None:
    headers = {**HTML, "X-Forwarded-Prefix": given}
    for trusted in ([], ["127.0.0.1"]):
        async with (
            serving(trusted_proxies=trusted, admin_token="correct horse") as server,
            aiohttp.ClientSession() as http,
            http.get(f"{base(server)}/admin", headers=headers, allow_redirects=False) as it,
        ):
            assert it.headers["Location"] == f"{root if trusted else ''}/admin/login"


@pytest.mark.parametrize("path", ["edge", "/a//b", "/..", "/a b", "https://x.example", "/ä"])
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="root-path: string should match"):
        load(root_path=path)


@pytest.mark.parametrize(("path", "read"), [("/", ""), ("/edge/", "/edge"), ("", "")])
def test_a_slash_at_the_end_is_none(path: str, read: str) -> None:
    assert load(root_path=path).root_path == read
