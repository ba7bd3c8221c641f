"""Links, and refusals: every one is JSON, `{"error": {"code", "message"}}`."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Retry-After",
}
"""Headers that let pages of other origins read a response."""

ROOT_PATH = web.RequestKey("edge_root_path", str)
"""The path below which the client sees this server; see `edge.api.access.root_path`."""


def link(request: web.Request, path: str) -> str:
    """A path of this server as the client has to request it."""
    root: str = request.get(ROOT_PATH, "")
    return root + path


def json_error(
    status: HTTPStatus,
    code: str,
    message: str,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> web.Response:
    """A refusal: `code` is for programs, `message` for people; `more` is known of some."""
    return web.json_response(
        {"error": {"code": code, "message": message, **more}}, status=status, headers=headers
    )


@web.middleware
async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns the framework's own errors (404, 405, an unreadable body) into the same JSON."""
    try:
        return await handler(request)
    except web.RequestPayloadError as error:
        return json_error(HTTPStatus.BAD_REQUEST, *code_and_message(error), CORS)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return json_error(HTTPStatus(error.status), *code_and_message(error), {**CORS, **allow})
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        missing = web.HTTPNotFound()  # a path that no file can have
        return json_error(HTTPStatus.NOT_FOUND, *code_and_message(missing), CORS)


def code_and_message(error: Exception) -> tuple[str, str]:
    """Of an error of the framework's, or of a defect."""
    if isinstance(error, web.RequestPayloadError):
        return "bad_body", "the body is not what its headers say"
    if isinstance(error, web.HTTPException):
        return HTTPStatus(error.status).phrase.lower().replace(" ", "_"), error.reason
    return "internal_server_error", "the server failed: see its log"
