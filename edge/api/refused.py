"""What WHIP endpoints, a server's and a director's, answer alike: refusals and preflights."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import NoReturn

from aiohttp import web

from edge.api.errors import CORS, json_error

PREFLIGHT = {
    **CORS,
    "Access-Control-Allow-Methods": "POST, PATCH, DELETE, GET, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Max-Age": "86400",
}


class RefusedError(Exception):
    """Ends a handler with an error response."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        headers: dict[str, str] | None = None,
        **more: object,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.response = json_error(status, code, message, {**CORS, **(headers or {})}, **more)


def unauthorized(request: web.Request) -> RefusedError:
    """No token and one that is not known are told apart (RFC 6750, section 3)."""
    given = "Authorization" in request.headers
    return RefusedError(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        "this server does not know that token" if given else "this server wants a bearer token",
        {"WWW-Authenticate": 'Bearer error="invalid_token"' if given else "Bearer"},
    )


def refuse_rate(reason: str, wait_ms: float) -> NoReturn:
    seconds = max(1, math.ceil(wait_ms / 1000.0))
    raise RefusedError(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too_many",
        f"{reason}: wait {seconds} s",
        {"Retry-After": str(seconds)},
    )
