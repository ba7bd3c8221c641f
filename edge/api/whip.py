"""Signalling over HTTP: WHIP (RFC 9725), and results as server-sent events.

`POST` an offer to get `201` and the session's own URL; `PATCH` that URL with trickled candidates,
`DELETE` it to end the session, `GET` its `/results` where data channels are not available.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from http import HTTPStatus
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Middleware

from edge.api.access.auth import AccessControl
from edge.api.access.origins import is_cross_origin
from edge.api.errors import CORS, Handler, code_and_message, link
from edge.api.refused import PREFLIGHT, RefusedError, refuse_rate, unauthorized
from edge.api.sse import event_stream
from edge.base.clock import now_ms
from edge.config import SLO_MAX_MS, SLO_MIN_MS, Settings
from edge.models.registry.registry import ModelRegistry
from edge.observability.refusals import Refusal, Refusals
from edge.rtc.sdp import SHORTAGES, SdpError
from edge.session import turn
from edge.session.control.control_messages import LABEL_MAX_CHARS
from edge.session.interface import SessionInterface, SessionOptions
from edge.session.rate_limits import KeyedRateLimiter
from edge.session.registry.full_error import FullError
from edge.session.registry.session_registry import SessionRegistry
from edge.session.results.result_streams import TooManyStreamsError

RETRY_AFTER_S = 10
PATCHES_PER_MINUTE = 120  # to one session: an offer has a handful of candidates

_NOTED = web.RequestKey("edge_refusal_noted", bool)
_ENTITY_TAG = re.compile(r'(W/"[^"]*")|("[^"]*")')


class WhipEndpoint:
    """The endpoint's handlers over the running sessions."""

    def __init__(
        self,
        settings: Settings,
        models: ModelRegistry,
        sessions: SessionRegistry,
        access: AccessControl,
        refusals: Refusals,
    ) -> None:
        self._settings = settings
        self._models = models
        self._access = access
        self._sessions = sessions
        self._posts = KeyedRateLimiter(settings.max_posts_per_minute, 60_000.0)
        self._patches = KeyedRateLimiter(PATCHES_PER_MINUTE, 60_000.0)
        self._refusals = refusals

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.route(method, f"{path}{slash}", handler)
            for path, methods in {
                "/whip": {"POST": self._guarded(self._publish), "OPTIONS": self._options},
                "/whip/{session}": {
                    "GET": self._guarded(self._state, by_url=True),
                    "PATCH": self._guarded(self._trickle),
                    "DELETE": self._guarded(self._end),
                    "OPTIONS": self._options,
                },
                "/whip/{session}/results": {
                    "GET": self._guarded(self._results, by_url=True),
                    "OPTIONS": self._options,
                },
            }.items()
            for method, handler in methods.items()
            for slash in ("", "/")
        ]

    def _guarded(self, handler: Handler, *, by_url: bool = False) -> Handler:
        """`handler` for publishers. `by_url`: the session's URL is its own authority, since it
        cannot be guessed, and a browser's `EventSource` can send no token."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                known = self._sessions.get(request.match_info.get("session", "")) is not None
                wait_ms = 0.0 if by_url or known else self._access.publishing_wait_ms(request)
                if wait_ms:
                    refuse_rate("too many wrong tokens from this address", wait_ms)
                if not by_url and not self._access.may_publish(request):
                    raise unauthorized(request)
                return await handler(request)
            except RefusedError as refused:
                self._note_refusal(request, refused.code, str(refused))
                return refused.response
            except ConnectionError:
                raise  # the client's own end
            except Exception as error:
                self._note_refusal(request, *code_and_message(error))
                raise

        return guarded

    @property
    def refusal_counter(self) -> Middleware:
        """The outermost middleware: counts offers that those within refuse before they come here,
        such as an address' requests beyond its rate."""

        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            resource = request.match_info.route.resource
            path = "" if resource is None else resource.canonical.rstrip("/")
            is_offer = request.method == "POST" and path == "/whip"
            if is_offer and response.status >= HTTPStatus.BAD_REQUEST and _NOTED not in request:
                error = json.loads(getattr(response, "text", None) or "{}").get("error", {})
                code = error.get("code", f"status_{response.status}")
                self._note_refusal(request, code, error.get("message", ""))
            return response

        return count

    def _note_refusal(self, request: web.Request, code: str, message: str) -> None:
        """Count a refused offer; refusals of other requests concern a session that exists."""
        if request.method != "POST":
            return
        request[_NOTED] = True
        token = self._access.publishing_token(request)
        client = self._access.client(request)
        refusal = Refusal(
            at_s=time.time(),
            reason=code,
            message=message,
            address=None if client is None else str(client),
            label=request.query.get("label", ""),
            token=None if token is None else token.name,
        )
        self._refusals.add(refusal)

    async def _publish(self, request: web.Request) -> web.Response:
        own = self._access.is_local_publisher(request) and not is_cross_origin(request)
        address = None if own else self._access.client_key(request)
        if address is not None and (wait_ms := self._posts.take(address, now_ms())):
            refuse_rate("too many offers from this address", wait_ms)
        _require_type(request, "application/sdp")
        token = self._access.publishing_token(request)
        replaces = self._replaced(request)
        options = replace(
            _session_options(request, self._models),
            local_publisher=self._access.is_on_this_machine(request),
        )
        offer = await self._body(request)
        try:
            session, answer = await self._sessions.open(offer, options, address, token, replaces)
        except FullError as full:
            own = full.code in ("address_full", "address_half_open", "token_full")
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS if own else HTTPStatus.SERVICE_UNAVAILABLE,
                full.code,
                str(full),
                {"Retry-After": str(RETRY_AFTER_S)},
                **({} if full.slo_ms is None else {"slo_ms": full.slo_ms}),
            ) from None
        except SdpError as error:
            if error.code in SHORTAGES:
                status, headers = (
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    {"Retry-After": str(RETRY_AFTER_S)},
                )
            else:
                status, headers = HTTPStatus.BAD_REQUEST, {}
            raise RefusedError(status, error.code, str(error), headers) from None
        response = web.Response(
            status=HTTPStatus.CREATED,
            body=answer.encode(),
            headers={**CORS, "Content-Type": "application/sdp"},
        )
        response.headers["Location"] = link(request, f"/whip/{session.id}")
        response.headers["ETag"] = _etag(session)
        response.headers["Accept-Patch"] = "application/trickle-ice-sdpfrag"
        self._add_links(request, response, session.name)
        return response

    async def _trickle(self, request: web.Request) -> web.Response:
        session = self._session(request)
        if wait_ms := self._patches.take(session.id, now_ms()):
            refuse_rate("too many trickled fragments", wait_ms)
        _require_type(request, "application/trickle-ice-sdpfrag")
        _require_match(request, session)
        try:
            await session.add_candidates(await self._body(request))
        except SdpError as error:
            restart = error.code == "ice_restart"  # understood, but not supported
            status = HTTPStatus.UNPROCESSABLE_ENTITY if restart else HTTPStatus.BAD_REQUEST
            raise RefusedError(status, error.code, str(error)) from None
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=CORS)

    async def _end(self, request: web.Request) -> web.Response:
        session = self._session(request)
        _require_match(request, session)
        await self._sessions.close(session, "ended by the publisher")
        return web.Response(status=HTTPStatus.OK, headers=CORS)

    async def _state(self, request: web.Request) -> web.Response:
        """Whether the session lives: 200 while it does, 410 once it has ended."""
        session_id = request.match_info["session"]
        if self._sessions.get(session_id) is None and self._sessions.has_ended(session_id):
            raise RefusedError(HTTPStatus.GONE, "ended", "this session has ended")
        session = self._session(request)
        state = session.view(now_ms()).state
        headers = {**CORS, "ETag": _etag(session), "Cache-Control": "no-store"}
        return web.json_response({"state": state}, headers=headers)

    async def _results(self, request: web.Request) -> web.StreamResponse:
        session = self._session(request)
        try:
            with session.subscribe() as queue:
                return await event_stream(request, queue, CORS)
        except TooManyStreamsError as error:
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "too_many", str(error)) from None

    async def _options(self, request: web.Request) -> web.Response:
        response = web.Response(status=HTTPStatus.NO_CONTENT, headers=PREFLIGHT)
        if request.path.rstrip("/") == "/whip":
            response.headers["Accept-Post"] = "application/sdp"
            wait_ms = self._access.publishing_wait_ms(request)
            if not wait_ms and self._access.may_publish(request):  # a preflight has no token
                self._add_links(request, response, "offer")
        return response

    def _add_links(self, request: web.Request, response: web.Response, name: str) -> None:
        """Add the ICE servers, with TURN credentials issued to `name`.

        Without a publishing token, pages of other origins get no credentials.
        """
        servers = turn.ice_servers(self._settings, name, time.time())
        if not self._access.publishing_protected and is_cross_origin(request):
            servers = [server for server in servers if not server.gives_credentials]
        for value in turn.links(servers):
            response.headers.add("Link", value)

    def _replaced(self, request: web.Request) -> SessionInterface | None:
        """The session that the query's `replaces` names; None also for one that has ended."""
        session_id = request.query.get("replaces")
        if session_id is None or self._sessions.has_ended(session_id):
            return None
        session = self._sessions.get(session_id)
        if session is None:
            raise RefusedError(
                HTTPStatus.BAD_REQUEST, "bad_query", "`replaces`: the id of a session of yours"
            )
        return session

    def _session(self, request: web.Request) -> SessionInterface:
        session = self._sessions.get(request.match_info["session"])
        if session is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "no_session", "there is no such session")
        return session

    async def _body(self, request: web.Request) -> str:
        try:
            return (await request.read()).decode("utf-8-sig")  # some senders begin with a BOM
        except web.HTTPRequestEntityTooLarge:
            rule = f"the body is larger than {self._settings.max_sdp_bytes} bytes"
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", rule) from None
        except UnicodeDecodeError:
            raise RefusedError(
                HTTPStatus.BAD_REQUEST, "not_text", "the body is not UTF-8 text"
            ) from None


def _require_type(request: web.Request, content_type: str) -> None:
    if request.content_type != content_type:
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "media_type",
            f"the body's type is {request.content_type}: {content_type} is wanted",
        )


def _require_match(request: web.Request, session: SessionInterface) -> None:
    """If-Match (RFC 9110, section 13.1.1): a list of tags, of which weak ones never match."""
    given = ",".join(request.headers.getall("If-Match", []))
    if not given.strip() or given.strip() == "*":
        return
    tags = [weak or tag for weak, tag in _ENTITY_TAG.findall(given)]
    if _etag(session) not in tags:
        raise RefusedError(
            HTTPStatus.PRECONDITION_FAILED, "stale", "If-Match names another ICE session"
        )


def _etag(session: SessionInterface) -> str:
    return f'"{session.etag}"'


def _session_options(request: web.Request, models: ModelRegistry) -> SessionOptions:
    """The query's `slo_ms`, `label`, `model`, `classes` and `min_score`, checked; a bad value is a
    400 that names it."""

    def bad(name: str, rule: str) -> RefusedError:
        return RefusedError(HTTPStatus.BAD_REQUEST, "bad_query", f"`{name}`: {rule}")

    query = cast("dict[str, str]", request.query)
    slo_ms, classes, label = None, None, query.get("label", "")
    if (text := query.get("slo_ms")) is not None:
        try:
            slo_ms = float(text)
        except ValueError:
            raise bad("slo_ms", "a number of milliseconds") from None
        if not SLO_MIN_MS <= slo_ms <= SLO_MAX_MS:  # refuses NaN too
            raise bad("slo_ms", f"from {SLO_MIN_MS:.0f} to {SLO_MAX_MS:.0f}")
    if len(label) > LABEL_MAX_CHARS or not label.isprintable():
        raise bad("label", f"at most {LABEL_MAX_CHARS} printable characters")
    serving = models.serving(model := query.get("model"))
    if not serving:
        raise bad("model", f"one of {', '.join(models.choices)}")
    class_names = serving[0].class_names
    min_score = None
    if text := query.get("min_score"):
        min_score = _score(text)
        if min_score is None:
            raise bad("min_score", "from 0 to 1")
    if (text := query.get("classes")) is not None:
        names = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in class_names]
        if unknown or not names:
            raise bad("classes", f"{unknown[0]!r} is no class" if unknown else "at least one class")
        classes = frozenset(names)
    return SessionOptions(slo_ms, label, classes, model, min_score)


def _score(text: str) -> float | None:
    """The score that the text states; None for a text that is not a number from 0 to 1."""
    try:
        score = float(text)
    except ValueError:
        return None
    return score if 0.0 <= score <= 1.0 else None
