"""A director's HTTP: WHIP in, each session's own URL, health.

`POST /whip` is placed on a node; `/n/<node>/whip/<id>` is that session there, for PATCH, DELETE,
GET and its results; `/n/<node>/api/results` and `/n/<node>/api/sessions/<name>/results` are a
node's feeds. Nothing is redirected: a browser would drop the token on its way to another origin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import web

from edge.api.access.auth import AccessControl
from edge.api.access.origins import is_cross_origin
from edge.api.errors import Handler, link
from edge.api.refused import PREFLIGHT, RefusedError, refuse_rate, unauthorized
from edge.base.clock import now_ms
from edge.config import Settings
from edge.fleet.director import streams
from edge.fleet.director.node_client import Failure, NodeClient, Reply
from edge.fleet.director.offers import Offer, Offers
from edge.fleet.director.session_places import SessionPlaces
from edge.fleet.fleet_view import FleetView
from edge.fleet.known_node import KnownNode
from edge.fleet.subjects import node_path
from edge.session.rate_limits import KeyedRateLimiter

REQUEST_S = 5.0  # for a node's response about one of its sessions
STATE_S = 0.5  # whether it lives: with a probe, publishers know within a second
GONE_REQUEST_S = 0.3  # of a node that is gone: it may be back without a beat
HEARD_ALL_MS = 1_000.0  # five beats of every node
RETRY_AFTER_S = 1  # a node's absence is known within a second

# Without a percent sign or a slash: what is sent on names nothing else on the node.
_NODE = "/n/{node:[A-Za-z0-9_-]+}"
_SESSION = _NODE + "/whip/{session:[A-Za-z0-9_-]+}"
_FEEDS = (_NODE + "/api/results", _NODE + "/api/sessions/{name:[A-Za-z0-9_-]+}/results")


class DirectorApi:
    """Handlers over the view of the nodes. `probe` asks a node directly, and waits for that."""

    def __init__(
        self,
        settings: Settings,
        *,
        view: FleetView,
        access: AccessControl,
        client: NodeClient,
        offers: Offers,
        places: SessionPlaces,
        probe: Callable[[KnownNode, BaseException], Awaitable[None]],
        until_gone: Callable[[KnownNode], Coroutine[Any, Any, None]],
        heard_ms: Callable[[], float],
    ) -> None:
        """`until_gone` returns once a node that owes an answer is gone; `heard_ms`: for how long
        all beats have been heard."""
        self._settings = settings
        self._view = view
        self._access = access
        self._client = client
        self._offers = offers
        self._places = places
        self._probe = probe
        self._until_gone = until_gone
        self._heard_ms = heard_ms
        self._posts = KeyedRateLimiter(settings.max_posts_per_minute, 60_000.0)

    def routes(self) -> list[web.AbstractRouteDef]:
        guarded = self._guarded
        routes: list[web.AbstractRouteDef] = [
            web.get("/healthz", self._healthz),
            web.get("/readyz", self._readyz),
            web.get(_FEEDS[0], self._stream),
            web.get(_FEEDS[1], self._stream),
            web.options(_FEEDS[0], self._ask),
            web.options(_FEEDS[1], self._ask),
        ]
        for slash in ("", "/"):
            routes += [
                web.post(f"/whip{slash}", guarded(self._publish)),
                web.options(f"/whip{slash}", self._whip_options),
                web.get(_SESSION + slash, self._ask),
                web.patch(_SESSION + slash, guarded(self._send_on)),
                web.delete(_SESSION + slash, guarded(self._send_on)),
                web.options(_SESSION + slash, self._options),
                web.get(_SESSION + "/results" + slash, self._stream),
                web.options(_SESSION + "/results" + slash, self._options),
            ]
        return routes

    def _guarded(self, handler: Handler) -> Handler:
        """`handler` for publishers: tokens that this director has are checked here, all by the
        node as well. A session's URL is its own authority for reading."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                if wait_ms := self._access.publishing_wait_ms(request):
                    refuse_rate("too many wrong tokens from this address", wait_ms)
                if not self._access.may_publish(request):
                    raise unauthorized(request)
                return await handler(request)
            except RefusedError as refused:
                return refused.response

        return guarded

    # Offers

    async def _publish(self, request: web.Request) -> web.StreamResponse:
        own = self._access.is_local(request) and not is_cross_origin(request)
        if not own:
            wait_ms = self._posts.take(self._access.client_key(request), now_ms())
            if wait_ms:
                refuse_rate("too many offers from this address", wait_ms)
        headers = partial(self._client.headers, request)
        offer = Offer(await self._body(request), _query(request), headers)
        placed = await self._offers.place(offer)
        if placed is None:
            raise self._no_node()
        response = placed.reply.to_response()
        session = placed.session
        if session is not None:
            self._places.put(session, placed.node)
            path = node_path(placed.node, f"/whip/{session}")
            response.headers["Location"] = link(request, path)
        return response

    async def _whip_options(self, request: web.Request) -> web.StreamResponse:
        """A node's answer names the ICE servers."""
        now = now_ms()
        for node in self._view:
            if node.takes_sessions(now):
                try:
                    reply = await self._client.send(
                        node.beat,
                        "OPTIONS",
                        "/whip",
                        headers=self._client.headers(request, node.beat),
                        timeout_s=GONE_REQUEST_S,
                    )
                    return reply.to_response()
                except Failure:
                    continue
        response = web.Response(status=HTTPStatus.NO_CONTENT, headers=PREFLIGHT)
        response.headers["Accept-Post"] = "application/sdp"
        return response

    def _no_node(self) -> RefusedError:
        known = f"{len(self._view)} nodes are known" if len(self._view) else "no node is known"
        return RefusedError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "no_node",
            f"no node takes sessions now ({known})",
            {"Retry-After": str(RETRY_AFTER_S)},
        )

    async def _body(self, request: web.Request) -> bytes:
        try:
            return await request.read()
        except web.HTTPRequestEntityTooLarge:
            rule = f"the body is larger than {self._settings.max_sdp_bytes} bytes"
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", rule) from None

    # Sessions

    async def _options(self, request: web.Request) -> web.Response:
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=PREFLIGHT)

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._send_on(request)
        except RefusedError as refused:
            return refused.response

    async def _send_on(self, request: web.Request) -> web.StreamResponse:
        """To the node that the URL names; RefusedError if it does not answer."""
        node = self._node(request)
        is_question = request.method == "GET"
        timeout_s = STATE_S if is_question else REQUEST_S
        if node.liveness(now_ms()) == "gone":
            is_question, timeout_s = False, GONE_REQUEST_S
        try:
            sending = self._client.send(
                node.beat,
                request.method,
                _path_there(request),
                headers=self._client.headers(request, node.beat),
                query=_query(request),
                body=await self._body(request) or None,
                timeout_s=timeout_s,
            )
            reply = await (self._unless_gone(node, sending) if is_question else sending)
        except Failure as error:
            await self._probe(node, error)
            raise self._refusal_of(node) from None
        return reply.to_response()

    async def _unless_gone(self, node: KnownNode, sending: Coroutine[Any, Any, Reply]) -> Reply:
        """The node's response; RefusedError as soon as it is gone."""
        sent = asyncio.create_task(sending)
        gone = asyncio.create_task(self._until_gone(node))
        try:
            await asyncio.wait([sent, gone], return_when=asyncio.FIRST_COMPLETED)
            if not sent.done():
                raise _gone(node.name)
            return sent.result()
        finally:
            for task in (sent, gone):
                task.cancel()
            await asyncio.wait([sent, gone])

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        try:
            node = self._node(request)
            path = _path_there(request)
            if web.WebSocketResponse().can_prepare(request):
                return await streams.web_socket(self._client, node.beat, path, request)
            return await streams.forward(self._client, node.beat, path, request)
        except streams.NoStreamError as error:
            await self._probe(node, error.__cause__ or error)
            return self._refusal_of(node).response
        except RefusedError as refused:
            return refused.response

    def _node(self, request: web.Request) -> KnownNode:
        name = request.match_info["node"]
        node = self._view.get(name)
        if node is None and self._heard_ms() >= HEARD_ALL_MS:
            raise _gone(name)
        if node is None:  # this director has just been started, or does not hear
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "unknown_node",
                f"no node called {name} is known yet",
                {"Retry-After": str(RETRY_AFTER_S)},
            )
        return node

    def _refusal_of(self, node: KnownNode) -> RefusedError:
        """Why it did not answer."""
        if node.liveness(now_ms()) == "gone":
            return _gone(node.name)
        return RefusedError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "no_answer",
            f"the session's node, {node.name}, does not answer now",
            {"Retry-After": str(RETRY_AFTER_S)},
        )

    # Health

    async def _healthz(self, request: web.Request) -> web.Response:
        """200 as long as this process answers: neither nodes nor the engine matter."""
        return web.json_response({"status": "ok"})

    async def _readyz(self, request: web.Request) -> web.Response:
        """200 while a node takes sessions, 503 otherwise."""
        now = now_ms()
        if self._view.takes_sessions(now):
            return web.json_response({"status": "ready"})
        able = any(node.takes_sessions(now) for node in self._view)
        return web.json_response({"status": "full" if able else "no_node"}, status=503)


def _gone(name: str) -> RefusedError:
    """As of a session that has ended: its publisher is to publish anew."""
    return RefusedError(HTTPStatus.GONE, "node_gone", f"the session's node, {name}, is gone")


def _query(request: web.Request) -> Mapping[str, str]:
    return dict(request.query)


def _path_there(request: web.Request) -> str:
    """The node's own path: without `/n/<node>`."""
    return request.path.removeprefix(f"/n/{request.match_info['node']}")
