"""Signalling over HTTP: WHIP (RFC 9725), and results as server-sent events.

`POST` an offer, get `201` with the session's own URL; `PATCH` it with trickled candidates,
`DELETE` it to end, `GET` its `/results` where data channels cannot be had.
"""

from __future__ import annotations

import math
import time
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web

from edge.api import turn
from edge.api.auth import AccessControl, Handler, refusal
from edge.api.sse import event_stream
from edge.clock import now_ms
from edge.config import Settings
from edge.rtc.peer_connection import SdpError
from edge.session.control_messages import LABEL_MAX_CHARS, SLO_MAX_MS, SLO_MIN_MS
from edge.session.interface import SessionInterface
from edge.session.rate_limits import Rates
from edge.session.registry import FullError, SessionRegistry

RETRY_AFTER_S = 10
PATCHES_A_MINUTE = 120  # of one session: an offer has a handful of candidates
MAX_BODY = web.AppKey("edge_max_body", int)

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Retry-After",
}
_PREFLIGHT = {
    **_CORS,
    "Access-Control-Allow-Methods": "POST, PATCH, DELETE, GET, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Max-Age": "86400",
}


def error(
    status: HTTPStatus, code: str, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    """A refusal: `{"error": {"code", "message"}}`."""
    return refusal(status, code, message, {**_CORS, **(headers or {})})


class _Refused(Exception):
    def __init__(self, response: web.Response) -> None:
        self.response = response


class WhipEndpoint:
    """The endpoint's handlers over the running sessions."""

    def __init__(
        self, settings: Settings, sessions: SessionRegistry, access: AccessControl
    ) -> None:
        self._settings = settings
        self._access = access
        self._sessions = sessions
        self._posts = Rates(settings.max_posts_per_minute, 60_000.0)
        self._patches = Rates(PATCHES_A_MINUTE, 60_000.0)

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.post("/whip", self._guarded(self._publish)),
            web.patch("/whip/{session}", self._guarded(self._trickle)),
            web.delete("/whip/{session}", self._guarded(self._end)),
            web.get("/whip/{session}/results", self._guarded(self._results)),
            web.options("/whip", self._options),
            web.options("/whip/{session}", self._options),
            web.options("/whip/{session}/results", self._options),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if not self._access.may_publish(request):
                return error(
                    HTTPStatus.UNAUTHORIZED,
                    "unauthorized",
                    "this server wants a bearer token",
                    {"WWW-Authenticate": "Bearer"},
                )
            try:
                return await handler(request)
            except _Refused as refused:
                return refused.response

        return guarded

    async def _publish(self, request: web.Request) -> web.Response:
        address = None if self._access.is_local(request) else self._access.client_key(request)
        if address is not None and (wait_ms := self._posts.take(address, now_ms())):
            raise _too_many("too many offers from this address", wait_ms)
        _insist_on_type(request, "application/sdp")
        query = _publish_query(request, self._sessions.class_names)
        offer = await _body(request)
        try:
            session, answer = await self._sessions.open(offer, address, **query)
        except FullError as full:
            headers = {"Retry-After": str(RETRY_AFTER_S)}
            whole = full.code != "address_full"
            status = HTTPStatus.SERVICE_UNAVAILABLE if whole else HTTPStatus.TOO_MANY_REQUESTS
            return error(status, full.code, str(full), headers)
        except SdpError as refused:
            return error(HTTPStatus.BAD_REQUEST, refused.code, str(refused))
        response = web.Response(
            status=HTTPStatus.CREATED,
            body=answer.encode(),
            headers={**_CORS, "Content-Type": "application/sdp"},
        )
        response.headers["Location"] = f"/whip/{session.id}"
        response.headers["ETag"] = _etag(session)
        response.headers["Accept-Patch"] = "application/trickle-ice-sdpfrag"
        self._add_links(response, session.name)
        return response

    async def _trickle(self, request: web.Request) -> web.Response:
        session = self._session(request)
        if wait_ms := self._patches.take(session.id, now_ms()):
            raise _too_many("too many trickled fragments", wait_ms)
        _insist_on_type(request, "application/trickle-ice-sdpfrag")
        match = request.headers.get("If-Match")
        if match is not None and match not in ("*", _etag(session)):
            return error(
                HTTPStatus.PRECONDITION_FAILED, "stale", "If-Match names another ICE session"
            )
        try:
            await session.add_candidates(await _body(request))
        except SdpError as refused:
            restart = refused.code == "ice_restart"  # understood, and not done here
            status = HTTPStatus.UNPROCESSABLE_ENTITY if restart else HTTPStatus.BAD_REQUEST
            return error(status, refused.code, str(refused))
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=_CORS)

    async def _end(self, request: web.Request) -> web.Response:
        session = self._session(request)
        await self._sessions.close(session, "ended by the publisher")
        return web.Response(status=HTTPStatus.OK, headers=_CORS)

    async def _results(self, request: web.Request) -> web.StreamResponse:
        session = self._session(request)
        try:
            with session.subscribe() as queue:
                return await event_stream(request, queue, _CORS)
        except RuntimeError as refused:
            return error(HTTPStatus.TOO_MANY_REQUESTS, "too_many", str(refused))

    async def _options(self, request: web.Request) -> web.Response:
        response = web.Response(status=HTTPStatus.NO_CONTENT, headers=_PREFLIGHT)
        if request.path == "/whip":
            response.headers["Accept-Post"] = "application/sdp"
            if self._access.may_publish(request):  # else a browser's preflight, which bears none
                self._add_links(response, "offer")
        return response

    def _add_links(self, response: web.Response, name: str) -> None:
        """The ICE servers, with credentials of their own for whoever asked."""
        for link in turn.links(turn.ice_servers(self._settings, name, time.time())):
            response.headers.add("Link", link)

    def _session(self, request: web.Request) -> SessionInterface:
        session = self._sessions.get(request.match_info["session"])
        if session is None:
            raise _Refused(error(HTTPStatus.NOT_FOUND, "no_session", "there is no such session"))
        return session


@web.middleware
async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refusals that the framework makes (404, 405, a body that is broken or too large) in the same
    JSON as ours."""
    try:
        return await handler(request)
    except web.RequestPayloadError:
        message = "the body is not what its headers say"
        return error(HTTPStatus.BAD_REQUEST, "bad_body", message)
    except web.HTTPException as refused:
        if refused.status < HTTPStatus.BAD_REQUEST:
            raise
        status = HTTPStatus(refused.status)
        headers = {"Allow": refused.headers["Allow"]} if "Allow" in refused.headers else {}
        return error(status, status.phrase.lower().replace(" ", "_"), refused.reason, headers)


def _too_many(what: str, wait_ms: float) -> _Refused:
    seconds = max(1, math.ceil(wait_ms / 1000.0))
    headers = {"Retry-After": str(seconds)}
    text = f"{what}: wait {seconds} s"
    return _Refused(error(HTTPStatus.TOO_MANY_REQUESTS, "too_many", text, headers))


def _etag(session: SessionInterface) -> str:
    return f'"{session.etag}"'


def _insist_on_type(request: web.Request, content_type: str) -> None:
    if request.content_type != content_type:
        raise _Refused(
            error(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "media_type",
                f"the body's type is {request.content_type}: {content_type} is wanted",
            )
        )


async def _body(request: web.Request) -> str:
    try:
        data = await request.read()
        return data.decode("utf-8")
    except web.HTTPRequestEntityTooLarge:
        message = f"the body is larger than {request.app[MAX_BODY]} bytes"
        raise _Refused(error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", message)) from None
    except UnicodeDecodeError:
        raise _Refused(
            error(HTTPStatus.BAD_REQUEST, "not_text", "the body is not UTF-8 text")
        ) from None


def _publish_query(request: web.Request, class_names: list[str]) -> dict[str, Any]:
    """`slo_ms`, `label` and `classes`, checked; a bad value is a 400 that names it."""

    def bad(name: str, rule: str) -> _Refused:
        return _Refused(error(HTTPStatus.BAD_REQUEST, "bad_query", f"`{name}`: {rule}"))

    query = cast("dict[str, str]", request.query)
    values: dict[str, Any] = {}
    if (text := query.get("slo_ms")) is not None:
        try:
            slo_ms = float(text)
        except ValueError:
            raise bad("slo_ms", "a number of milliseconds") from None
        if not SLO_MIN_MS <= slo_ms <= SLO_MAX_MS:  # refuses NaN too
            raise bad("slo_ms", f"from {SLO_MIN_MS:.0f} to {SLO_MAX_MS:.0f}")
        values["slo_ms"] = slo_ms
    if (label := query.get("label")) is not None:
        if len(label) > LABEL_MAX_CHARS or not label.isprintable():
            raise bad("label", f"at most {LABEL_MAX_CHARS} printable characters")
        values["label"] = label
    if (text := query.get("classes")) is not None:
        names = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in class_names]
        if unknown or not names:
            raise bad("classes", f"{unknown[0]!r} is no class" if unknown else "names none")
        values["classes"] = frozenset(names)
    return values
