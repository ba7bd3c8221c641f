"""A bound on the requests of one address: each takes the event loop's time, whatever it is for."""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from edge.api.errors import CORS, Handler, json_error
from edge.api.listener import ConnectionLimits, rate_of_address
from edge.base.clock import now_ms


def limit_requests(
    per_s: int, client_key: Callable[[web.Request], str], limits: ConnectionLimits
) -> Middleware:
    """The middleware that answers requests beyond `per_s` a second with 429, and closes their
    connection: what was sent ahead on it is not read. `limits` counts them and logs."""
    rate = rate_of_address(per_s)

    @web.middleware
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        wait_ms = rate.take(client_key(request), now_ms())
        if not wait_ms:
            return await handler(request)
        limits.note_refused("requests_of_address", now_ms())
        seconds = max(1, math.ceil(wait_ms / 1000.0))
        response = json_error(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too_many",
            f"more than {per_s} requests a second from this address: wait {seconds} s",
            {**CORS, "Retry-After": str(seconds)},
        )
        response.force_close()
        return response

    return limit
