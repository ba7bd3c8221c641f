"""The listening HTTP server: the socket, TLS, and the URLs that it is reached at."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from edge.api import local_ca
from edge.config import Settings

SHUTDOWN_S = 0.5  # for open requests, once the server stops


class ListenError(Exception):
    """The server cannot listen; the message says why and what to do."""


class HttpServer:
    """`start` with all routes, `stop`. TLS uses the configured certificate, or one that is issued
    by a local authority (`edge.api.local_ca`)."""

    def __init__(self, settings: Settings) -> None:
        """ListenError for a certificate that cannot be used."""
        self._settings = settings
        self._context, self.ca = _tls(settings)
        self._runner: web.AppRunner | None = None
        self.url = ""
        self.lan_urls: list[str] = []
        """At this machine's own addresses; empty unless it listens on all of them."""

    async def start(
        self, middlewares: Sequence[Middleware], routes: Iterable[web.AbstractRouteDef]
    ) -> None:
        """Listen; ListenError if the address cannot be used."""
        settings = self._settings
        app = web.Application(middlewares=middlewares, client_max_size=settings.max_sdp_bytes)
        app.add_routes(routes)
        self._runner = web.AppRunner(
            app, handle_signals=False, access_log=None, shutdown_timeout=SHUTDOWN_S
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, settings.host, settings.port, ssl_context=self._context)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ListenError(_explanation(error, settings)) from error
        self._set_urls(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def _set_urls(self, port: int) -> None:
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


def _tls(settings: Settings) -> tuple[ssl.SSLContext | None, Path | None]:
    """The context (None: plain HTTP), and the local authority's certificate where it is used."""
    if settings.http:
        return None, None
    try:
        if settings.cert is not None and settings.key is not None:
            return local_ca.server_context(settings.cert, settings.key), None
        issued = local_ca.ensure(local_ca.default_directory(), local_ca.lan_addresses())
        return local_ca.server_context(issued.cert, issued.key), issued.ca
    except (OSError, ValueError) as error:
        raise ListenError(f"TLS: {error}") from error


def _explanation(error: OSError, settings: Settings) -> str:
    where = f"{settings.host} port {settings.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program: choose another with --port"
    if error.errno == errno.EACCES:
        return f"{where}: not allowed; ports below 1024 need privileges: choose another --port"
    return f"cannot listen on {where}: {error.strerror or error}"
