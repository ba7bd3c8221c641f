"""The listening HTTP server: sockets, TLS, time limits, and the URLs that it is reached at."""

from __future__ import annotations

import asyncio
import errno
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from edge.api.access import local_ca
from edge.api.access.auth import Address
from edge.api.access.root_path import without_root_path
from edge.api.errors import Handler
from edge.api.listener import (
    READ_BYTES,
    ConnectionLimits,
    Listener,
    listeners,
    raise_descriptor_limit,
    usable_descriptors,
)
from edge.config import Settings

SHUTDOWN_S = 0.5  # for open requests, once the server stops
TLS_S = 10.0  # for the TLS handshake
TLS_CLOSE_S = 2.0  # for the client's part of the end of TLS
HEAD_S = 20.0  # for a request's line and headers, from the connection's start or the last response
BODY_S = 15.0  # for a request's body; the largest, an offer, has 64 kB
UNREAD_BODY_S = 2.0  # for the rest of a body that the response did not depend on


class ListenError(Exception):
    """The server cannot listen; the message says why and what to do."""


class HttpServer:
    """`start` with all routes, `stop`. TLS uses the configured certificate, or one that is issued
    by a local authority (`edge.api.access.local_ca`)."""

    def __init__(
        self, settings: Settings, is_director: Callable[[Address], bool] = lambda address: False
    ) -> None:
        """ListenError for a certificate that cannot be used. `is_director`: whether a fleet's
        director, which connects for many, has that address."""
        self._settings = settings
        self._is_director = is_director
        self._context, self.ca, self._cert = _tls(settings)
        SSLProtocol.max_size = READ_BYTES  # else each TLS connection holds a buffer of 256 KiB
        self._descriptors = raise_descriptor_limit()
        self.limits = ConnectionLimits(
            settings.max_connections,
            settings.max_connections_per_address,
            descriptors=usable_descriptors(self._descriptors, settings.max_sessions),
            per_s=settings.max_requests_per_s,
            is_exempt=self._is_proxy,
        )
        self._runner: web.AppRunner | None = None
        self.url = ""
        self.port = settings.port
        """The one that it listens on, once it does."""
        self.lan_urls: list[str] = []
        """At this machine's own addresses; empty unless it listens on all of them."""

    async def start(
        self, middlewares: Sequence[Middleware], routes: Iterable[web.AbstractRouteDef]
    ) -> None:
        """Listen; ListenError if the address cannot be used."""
        settings = self._settings
        app = web.Application(
            middlewares=[limit_body_time, *middlewares], client_max_size=settings.max_sdp_bytes
        )
        app.add_routes(routes)
        self._runner = web.AppRunner(
            app,
            handle_signals=False,
            access_log=None,
            shutdown_timeout=SHUTDOWN_S,
            keepalive_timeout=HEAD_S,  # aiohttp counts an unfinished head as an idle connection
            lingering_time=UNREAD_BODY_S,
        )
        await self._runner.setup()
        if settings.root_path:
            server = self._runner.server
            assert server is not None
            server.request_factory = without_root_path(settings.root_path, server.request_factory)
        try:
            for listener in listeners(settings.host, settings.port, self.limits):
                await _Site(self._runner, listener, self._context).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ListenError(_explanation(error, settings)) from error
        self._set_urls(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def _is_proxy(self, address: Address) -> bool:
        proxies = self._settings.trusted_proxies
        return any(address in network for network in proxies) or self._is_director(address)

    @property
    def certificate_fingerprint(self) -> str:
        """SHA-256 of the certificate (DER) in hexadecimal; empty for plain HTTP."""
        if self._cert is None:
            return ""
        [leaf, *_] = x509.load_pem_x509_certificates(self._cert.read_bytes())
        return leaf.fingerprint(hashes.SHA256()).hex()

    def _set_urls(self, port: int) -> None:
        self.port = port
        host = self._settings.host
        scheme = "http" if self._context is None else "https"
        self.url = f"{scheme}://localhost:{port}/"
        if host in ("0.0.0.0", "::"):
            self.lan_urls = [
                f"{scheme}://{address}:{port}/"
                for address in local_ca.lan_addresses()
                if address.version == 4
            ]
        elif host not in ("127.0.0.1", "::1", "localhost"):
            self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"


class _Site(web.BaseSite):
    """aiohttp's SockSite, with time limits for TLS."""

    def __init__(
        self, runner: web.AppRunner, listener: Listener, context: ssl.SSLContext | None
    ) -> None:
        super().__init__(runner, ssl_context=context)
        self._listener = listener

    @property
    def name(self) -> str:
        return str(self._listener.getsockname())

    async def start(self) -> None:
        await super().start()
        assert self._runner.server is not None
        encrypted = self._ssl_context is not None
        self._server = await asyncio.get_running_loop().create_server(
            self._runner.server,
            sock=self._listener,
            ssl=self._ssl_context,
            backlog=self._backlog,
            ssl_handshake_timeout=TLS_S if encrypted else None,
            ssl_shutdown_timeout=TLS_CLOSE_S if encrypted else None,
        )


@web.middleware
async def limit_body_time(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Disconnect a client whose body has not arrived within BODY_S; no error if one disconnects."""
    timer = None
    if not request.content.is_eof():
        timer = asyncio.get_running_loop().call_later(BODY_S, _disconnect_if_unfinished, request)
    try:
        return await handler(request)
    except ConnectionError:
        if request.transport is not None and not request.transport.is_closing():
            raise  # not the client's connection
        return web.Response(status=HTTPStatus.REQUEST_TIMEOUT)  # nobody receives it
    finally:
        if timer is not None:
            timer.cancel()


def _disconnect_if_unfinished(request: web.Request) -> None:
    if request.transport is not None and not request.content.is_eof():
        request.transport.abort()


def _tls(settings: Settings) -> tuple[ssl.SSLContext | None, Path | None, Path | None]:
    """The context (None: plain HTTP), the local authority's certificate where it is used, and the
    server's own."""
    if settings.http:
        return None, None, None
    try:
        if settings.cert is not None and settings.key is not None:
            return local_ca.server_context(settings.cert, settings.key), None, settings.cert
        issued = local_ca.ensure(local_ca.default_directory(), local_ca.lan_addresses())
        return local_ca.server_context(issued.cert, issued.key), issued.ca, issued.cert
    except (OSError, ValueError) as error:
        raise ListenError(f"TLS: {error}") from error


def _explanation(error: OSError, settings: Settings) -> str:
    where = f"{settings.host} port {settings.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program: choose another with --port"
    if error.errno == errno.EACCES:
        return f"{where}: not allowed; ports below 1024 need privileges: choose another --port"
    return f"cannot listen on {where}: {error.strerror or error}"
