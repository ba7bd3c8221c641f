"""A director's requests to nodes: as the client's, with what the node is to know of the client."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from pydantic import ValidationError

from edge.api.access.auth import AccessControl
from edge.api.access.directors import KEY_HEADER
from edge.api.access.origins import is_cross_origin
from edge.base.clock import now_ms
from edge.fleet.beat import Beat
from edge.fleet.engine_process import is_loopback
from edge.fleet.known_node import ProbeFailure
from edge.fleet.report import MAX_REPORT_BYTES
from edge.fleet.subjects import LOOK_PATH, REPORT_PATH
from edge.rtc.guard.candidate_policy import own_addresses

PROBE_S = 0.3
# A failure that took so much longer was this process' own lateness.
PROBE_LATE_S = 0.15
CONNECT_S = 1.0
IDLE_S = 15.0  # of a kept connection; a node closes it after 20

_PASSED = ("Content-Type", "Authorization", "If-Match", "Accept", "Last-Event-ID", "User-Agent")
_FOREIGN = ("Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode")
# Of one connection (RFC 9110, section 7.6.1), or made anew here.
_NOT_RETURNED = {
    *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
    *("upgrade", "content-length", "date", "server"),
}

Failure = (aiohttp.ClientError, TimeoutError, OSError)
"""A request that brought no response."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A node's whole response."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def to_response(self) -> web.Response:
        return web.Response(status=self.status, headers=self.headers, body=self.body)

    @property
    def code(self) -> str:
        """Of a refusal, what it is for programs; else empty."""
        try:
            return str(json.loads(self.body)["error"]["code"])
        except (ValueError, KeyError, TypeError):
            return ""


@dataclass(frozen=True, slots=True)
class Look:
    """What a node said when it was asked directly, or by the engine."""

    beat: Beat
    page: dict[str, object]


def read_look(data: bytes | str) -> Look:
    """ValueError if it is none."""
    try:
        message = json.loads(data)
        return Look(Beat(**message["beat"]), dict(message.get("page") or {}))
    except (KeyError, TypeError, ValidationError) as error:
        raise ValueError(f"no look: {error}") from error


class NodeClient:
    """One pool of connections to all nodes, from `start` to `stop`."""

    def __init__(self, access: AccessControl) -> None:
        self._access = access
        self._http: aiohttp.ClientSession | None = None

    def start(self) -> None:
        # Bounded by the connections that this process accepts.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S)
        self._http = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def stop(self) -> None:
        if self._http is not None:
            await self._http.close()

    @property
    def http(self) -> aiohttp.ClientSession:
        assert self._http is not None
        return self._http

    def headers(self, request: web.Request, node: Beat) -> dict[str, str]:
        """Of the request that is sent on. A header that a client could make up is not passed."""
        headers = {name: request.headers[name] for name in _PASSED if name in request.headers}
        if is_cross_origin(request):  # the node cannot find out by its own name
            headers |= {name: request.headers[name] for name in _FOREIGN if name in request.headers}
        headers["X-Forwarded-For"] = self._client(request, node)
        headers["X-Forwarded-Proto"] = "https" if self._access.is_https(request) else "http"
        headers[KEY_HEADER] = node.key
        return headers

    def _client(self, request: web.Request, node: Beat) -> str:
        """The client's address for the node. One of this machine is told only to nodes on it, and
        only if no proxy may have sent the request for somebody else."""
        client = self._access.client(request)
        if client is None:
            return "unknown"
        if client.is_loopback or client in own_addresses():
            host = urlsplit(node.url).hostname or ""
            is_here = is_loopback(host) or host in {str(each) for each in own_addresses()}
            if not (is_here and self._access.is_on_this_machine(request)):
                return "unknown"
        return str(client)

    async def send(
        self,
        node: Beat,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float,
    ) -> Reply:
        """The node's response; one of `Failure` if there is none."""
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_S)
        async with self.http.request(
            method,
            node.url + path,
            params=query,
            data=body,
            headers=headers,
            ssl=tls(node),
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            return Reply(response.status, returned_headers(response), await response.read())

    async def probe(self, node: Beat) -> Look | ProbeFailure:
        """What a node says when asked directly, or how that failed."""
        begin_ms = now_ms()
        try:
            async with asyncio.timeout(PROBE_S):
                reply = await self.send(
                    node, "GET", LOOK_PATH, headers={KEY_HEADER: node.key}, timeout_s=PROBE_S
                )
            # Another process than the one that beat does not know the key.
            return read_look(reply.body) if reply.status == 200 else "refused"
        except TimeoutError:
            took_s = (now_ms() - begin_ms) / 1000.0
            return "silent" if took_s < PROBE_S + PROBE_LATE_S else "unsure"
        except (*Failure, ValueError):
            return "refused"

    async def report(self, node: Beat, timeout_s: float) -> bytes | None:
        """What a node says of its sessions, at most a byte more than a report may have; None if it
        refuses. One of `Failure` if there is no response."""
        async with self.http.get(
            node.url + REPORT_PATH,
            headers={KEY_HEADER: node.key},
            ssl=tls(node),
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_S),
            allow_redirects=False,
        ) as response:
            if response.status != HTTPStatus.OK:
                return None
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_REPORT_BYTES:
                    response.close()  # the rest is not read
                    break
            return bytes(body[: MAX_REPORT_BYTES + 1])


def tls(node: Beat) -> aiohttp.Fingerprint | ssl.SSLContext | bool:
    """How the node's certificate is checked: it is the one that its beats name."""
    return aiohttp.Fingerprint(bytes.fromhex(node.fingerprint)) if node.fingerprint else True


def returned_headers(response: aiohttp.ClientResponse) -> list[tuple[str, str]]:
    """Those of a node's response that are its client's."""
    return [
        (name, value)
        for name, value in response.headers.items()
        if name.lower() not in _NOT_RETURNED
    ]
