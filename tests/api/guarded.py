"""The access control and the login page, without the rest of a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge.api.access.auth import PROOF, AccessControl
from edge.api.access.login import LoginPages
from edge.api.access.logins import Logins
from edge.config import load

TOKEN = "correct horse"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PROXY: dict[str, Any] = {"trusted_proxies": ["127.0.0.1"], "admin_token": TOKEN}
OUTSIDE = {"X-Forwarded-For": "198.51.100.7"}
Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def guarded(*, logins: Logins | None = None, **settings: Any) -> AsyncIterator[Client]:
    """A client of a server with the guard, the login page, and routes whose answer is the proof."""

    async def reached(request: web.Request) -> web.Response:
        return web.Response(text=request.get(PROOF, "open"))

    access = AccessControl(load(**settings), logins)
    app = web.Application(middlewares=[access.guard])
    app.add_routes(LoginPages(access).routes())
    for path in ("/admin", "/api/sessions", "/metrics", "/other", "/{any}/x"):
        app.router.add_route("*", path, reached)
    async with TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield client


async def ask(client: Client, path: str = "/admin", **options: Any) -> tuple[int, str]:
    """Status and text of the answer to a request, redirects not followed."""
    method = options.pop("method", "GET")
    async with client.request(method, path, allow_redirects=False, **options) as it:
        return it.status, await it.text()
