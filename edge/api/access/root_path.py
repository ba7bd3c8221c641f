"""The path below which a proxy publishes this server, such as `/edge`: in requests and in links.

It is the setting `root_path`, or what a trusted proxy names in `X-Forwarded-Prefix`. Requests are
understood with the setting's path and without: some proxies strip it, some do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.typedefs import Middleware

from edge.api.access.auth import AccessControl
from edge.api.errors import ROOT_PATH, Handler
from edge.config import ROOT_PATH_PATTERN

_PATH = re.compile(ROOT_PATH_PATTERN)
RequestFactory = Callable[..., web.BaseRequest]


def find_root_path(root_path: str, access: AccessControl) -> Middleware:
    """The middleware that finds out a request's root path, for `edge.api.errors.link`."""

    @web.middleware
    async def find(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[ROOT_PATH] = root_path or _forwarded(request, access)
        return await handler(request)

    return find


def _forwarded(request: web.Request, access: AccessControl) -> str:
    """What the trusted proxy that sent the request names; empty if it is not a valid path."""
    if not access.is_from_trusted_proxy(request):
        return ""
    path = request.headers.get("X-Forwarded-Prefix", "").strip().rstrip("/")
    return path if _PATH.fullmatch(path) else ""


def without_root_path(root_path: str, make_request: RequestFactory) -> RequestFactory:
    """Makes requests as if they had been sent to the root: before routes and rights are looked up,
    so that both see one path only."""

    def make(message: RawRequestMessage, *rest: Any) -> web.BaseRequest:
        path = message.url.raw_path
        if path == root_path or path.startswith(f"{root_path}/"):
            shorter = path.removeprefix(root_path) or "/"
            query = message.url.raw_query_string
            message = message._replace(
                path=f"{shorter}?{query}" if query else shorter,
                url=message.url.with_path(shorter, encoded=True, keep_query=True),
            )
        return make_request(message, *rest)

    return make
