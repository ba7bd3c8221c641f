"""The publisher's page and its files: modules, sample video, the local authority's certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jinja2
from aiohttp import web
from aiohttp.typedefs import Middleware

import edge
from edge.api.errors import CORS, Handler, link
from edge.assets import samples
from edge.assets.resources import resource
from edge.assets.store import AssetError, cached
from edge.config import Settings
from edge.models.registry.registry import ModelRegistry

WEB = resource("web")
CLIENT_FILES = {
    "edge-client.js": "text/javascript; charset=utf-8",
    "edge-client.d.ts": "text/plain; charset=utf-8",
}
"""The client for other people's pages, with its types: docs/embed/javascript.md."""
SLO_CHOICES_MS = (75, 100, 150, 250, 500)

_SECURITY_HEADERS = {
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# The client's worker is a blob.
_CONTENT_SECURITY_POLICY = (
    "default-src 'self'; media-src 'self' blob:; img-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors {}"
)
# Isolates the operator's window from pages that opened it. Only for admin pages: over plain HTTP,
# where publishers may arrive first, browsers log a warning about this header.
_ADMIN_HEADERS = {"Cross-Origin-Opener-Policy": "same-origin"}


def templates() -> jinja2.Environment:
    """The environment that renders templates; an undefined name is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )


def security_headers(frame_ancestors: Sequence[str] = ()) -> Middleware:
    """The middleware that adds headers which keep pages from loading anything of another origin,
    and from being shown in frames, except the publisher's page in those of `frame_ancestors`."""
    ancestors = " ".join(frame_ancestors) or "'none'"

    @web.middleware
    async def add(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if not response.prepared:
            frames = ancestors if request.path == "/" else "'none'"
            policy = {"Content-Security-Policy": _CONTENT_SECURITY_POLICY.format(frames)}
            admin = _ADMIN_HEADERS if request.path.startswith("/admin") else {}
            for name, value in (_SECURITY_HEADERS | policy | admin).items():
                response.headers.setdefault(name, value)
        return response

    return add


class Pages:
    """Handlers of files and of the rendered page."""

    def __init__(
        self,
        public: Callable[[], Mapping[str, object]],
        ca: Path | None,
        lan_urls: Callable[[], list[str]] = list,
        may_learn: Callable[[web.Request], bool] = lambda request: False,
    ) -> None:
        """`public`: see `page_settings`. `lan_urls` are the server's addresses in its network;
        one who `may_learn` it is told where another device finds the same."""
        self._public = public
        self._lan_urls, self._may_learn = lan_urls, may_learn
        self._ca = ca
        self._templates = templates()

    def routes(self) -> list[web.AbstractRouteDef]:
        routes = [
            web.get("/", self._page),
            web.get("/sample.webm", self._sample),
            web.get("/ca.crt", self._authority),
            *(web.get(f"/{name}", self._client(name)) for name in CLIENT_FILES),
        ]
        return [*routes, web.static("/static", WEB / "static")]

    async def _page(self, request: web.Request) -> web.Response:
        public = {
            **self._public(),
            "version": edge.__version__,
            "sample": link(request, "/sample.webm") if cached(samples.STREET) else None,
            "whip": link(request, "/whip"),
            "lan": next(iter(self._lan_urls()), None) if self._may_learn(request) else None,
            "ca": link(request, "/ca.crt") if self._ca else None,
        }
        html = self._templates.get_template("page.html").render(
            settings=public, root=link(request, "")
        )
        return web.Response(
            text=html, content_type="text/html", headers={"Cache-Control": "no-cache"}
        )

    def _client(self, name: str) -> Handler:
        """Serves a file of the client to pages of any origin."""

        async def client(request: web.Request) -> web.StreamResponse:
            headers = {
                **CORS,
                "Content-Type": CLIENT_FILES[name],
                "Cache-Control": "no-cache",  # it is asked for anew, and sent anew if it changed
                "Cross-Origin-Resource-Policy": "cross-origin",
            }
            return web.FileResponse(WEB / "static" / name, headers=headers)

        return client

    async def _sample(self, request: web.Request) -> web.StreamResponse:
        path = cached(samples.STREET)
        if path is None:
            raise web.HTTPNotFound(reason="the sample video has not been fetched")
        try:
            webm = await asyncio.to_thread(samples.webm, path)  # encoded at its first use
            return web.FileResponse(webm)
        except (OSError, AssetError) as error:
            raise web.HTTPNotFound(reason=str(error)) from error

    async def _authority(self, request: web.Request) -> web.StreamResponse:
        if self._ca is None:
            raise web.HTTPNotFound(reason="this server's certificate is not of a local authority")
        headers = {
            "Content-Type": "application/x-x509-ca-cert",
            "Content-Disposition": 'attachment; filename="edge-ca.crt"',
        }
        return web.FileResponse(self._ca, headers=headers)


def page_settings(settings: Settings, models: ModelRegistry) -> dict[str, object]:
    """What the publisher's page needs of the settings, and anybody may know."""
    return {
        "slo_ms": settings.slo_ms,
        "slo_choices": sorted({*SLO_CHOICES_MS, int(settings.slo_ms)}),
        "fps": settings.fps,
        # Credentials are for authorised publishers only: the page requests them with its token.
        "ask_ice": any(server.gives_credentials for server in settings.ice_servers),
        "ice_servers": [
            {"urls": server.urls} for server in settings.ice_servers if not server.gives_credentials
        ],
        "token_required": settings.publishing_protected,
        "models": _model_choices(models),
    }


def _model_choices(models: ModelRegistry) -> list[dict[str, object]]:
    """The page's menu, the default first: names to ask for, with the least score of their boxes."""

    def choice(name: str, label: str) -> dict[str, object]:
        threshold = min(model.score_threshold for model in models.serving(name))
        return {"name": name, "label": label, "score_threshold": threshold}

    named = {model.name for model in models}
    families = [name for name in models.choices if name not in named]
    choices = [choice(model.name, model.name) for model in models]
    if len(models.serving(None)) > 1:
        families = [name for name in families if name != models.default.family]
        choices.insert(0, choice("", "Server chooses"))
    return choices + [choice(name, f"Server chooses ({name})") for name in families]
