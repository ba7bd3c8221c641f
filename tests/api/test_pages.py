"""The publisher's page, its files and its security headers."""

from __future__ import annotations

import aiohttp

from tests.serving import base, serving


async def test_the_page_and_its_headers() -> None:
    async with serving() as server, aiohttp.ClientSession() as http:
        async with http.get(server.url) as it:
            assert it.status == 200
            assert "default-src 'self'" in it.headers["Content-Security-Policy"]
            assert "Cross-Origin-Opener-Policy" not in it.headers  # a complaint over plain http
            assert '"whip": "/whip"' in await it.text()
        async with http.get(f"{base(server)}/ca.crt") as it:
            assert it.status == 404
        async with http.get(f"{base(server)}/../edge/config.py") as it:
            assert it.status == 404
