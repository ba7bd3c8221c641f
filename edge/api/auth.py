"""Who may do what: publishing takes one token, administering another, or being on this machine.

One middleware, `AccessControl.guard`, stands before every administering route (`/admin`, `/api`,
`/metrics`), so that no handler can forget it. Tokens are compared in constant time, never logged,
and never kept in a browser: logging in there earns a cookie that ends with the server.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import SecretStr

from edge.clock import now_ms
from edge.config import Settings
from edge.session.rate_limits import Rates

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Proof = Literal["token", "cookie", "local"]

ADMIN_PATHS = ("/admin", "/api", "/metrics")
LOGIN_PATH = "/admin/login"
COOKIE = "edge_admin"
LOGIN_S = 12 * 3600
WRONG_TOKENS_A_MINUTE = 10  # of one address; then 429, right or wrong
PROOF = web.RequestKey("edge_proof", str)
"""How an administering request showed that it may: "token", "cookie" or "local"."""

_SAFE = {"GET", "HEAD", "OPTIONS"}
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")


def refusal(
    status: HTTPStatus, code: str, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    """`{"error": {"code", "message"}}`, readable by pages of this server alone."""
    return web.json_response(
        {"error": {"code": code, "message": message}}, status=status, headers=headers
    )


class AccessControl:
    """Answers who a request comes from and what it may do, by the settings alone."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        chosen = settings.admin_loopback
        self._local = not settings.http if chosen is None else chosen
        self._key = secrets.token_bytes(32)  # of cookies: a restart ends every login
        self._wrong = Rates(WRONG_TOKENS_A_MINUTE, 60_000.0)

    # Publishing

    def may_publish(self, request: web.Request) -> bool:
        """Whether it brings the publishers' token; anybody may where there is none."""
        return self._settings.token is None or _bears(request, self._settings.token)

    # Administering

    @property
    def guard(self) -> Middleware:
        """The middleware that lets only those through to administering routes who may."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not _is_admin(request):
                return await handler(request)
            refused = self._refuse(request)
            response = await handler(request) if refused is None else refused
            if not response.prepared:
                response.headers.setdefault("Cache-Control", "no-store")
            return response

        return guard

    def _refuse(self, request: web.Request) -> web.StreamResponse | None:
        """The answer to a request that may not go on; None for one that may."""
        if is_cross_site(request):
            return refusal(HTTPStatus.FORBIDDEN, "cross_site", "this request is another site's")
        if _route(request) == LOGIN_PATH:
            return None
        if "Authorization" in request.headers and (wait_s := self.wait_s(request)):
            return _too_many(wait_s)
        proof = self._proof(request)
        if proof is not None:
            request[PROOF] = proof
            return None
        if "Authorization" in request.headers:
            self.note_wrong(request)
        elif request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": LOGIN_PATH})
        return refusal(
            HTTPStatus.UNAUTHORIZED,
            "unauthorized",
            "administering takes the admin token"
            if self._settings.admin_token
            else "administering takes an admin token, and none is set (admin_token)",
            {"WWW-Authenticate": 'Bearer realm="edge admin"'},
        )

    def _proof(self, request: web.Request) -> Proof | None:
        token = self._settings.admin_token
        if token is not None:
            if _bears(request, token):
                return "token"
            if self._cookie_holds(request.cookies.get(COOKIE, "")):
                return "cookie"
        return "local" if self._local and self.is_local(request) else None

    @property
    def has_admin_token(self) -> bool:
        return self._settings.admin_token is not None

    def is_admin_token(self, text: str) -> bool:
        """Whether it is the admin token; nothing is, where none is set."""
        token = self._settings.admin_token
        return token is not None and _same(text, token)

    def wait_s(self, request: web.Request) -> float:
        """Seconds that this address must wait after wrong tokens before it may try again."""
        return self._wrong.wait_ms(self.client_key(request), now_ms()) / 1000.0

    def note_wrong(self, request: web.Request) -> None:
        """This address brought a wrong token."""
        self._wrong.take(self.client_key(request), now_ms())

    def log_in(self, request: web.Request, response: web.Response) -> None:
        """Give the browser its cookie; it is of no use to a page of another site, or to scripts."""
        until_s = int(now_ms() / 1000.0) + LOGIN_S
        response.set_cookie(
            COOKIE,
            f"{until_s}.{self._mac(until_s)}",
            max_age=LOGIN_S,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=self.is_https(request),
        )

    def log_out(self, response: web.Response) -> None:
        response.del_cookie(COOKIE, path="/")

    def _cookie_holds(self, value: str) -> bool:
        until, _, mac = value.partition(".")
        if not (until.isascii() and until.isdecimal() and len(until) < 16):
            return False
        return (
            hmac.compare_digest(mac.encode("utf-8", "replace"), self._mac(int(until)).encode())
            and int(until) > now_ms() / 1000.0
        )

    def _mac(self, until_s: int) -> str:
        """Of the login's end, and of the token, so that it ends with either."""
        token = self._settings.admin_token
        secret = "" if token is None else token.get_secret_value()
        return hmac.new(self._key, f"{until_s} {secret}".encode(), hashlib.sha256).hexdigest()

    # Where from

    def client(self, request: web.Request) -> Address | None:
        """The address that a request comes from: what trusted proxies say, or its connection's.

        Of X-Forwarded-For the last entry counts that no trusted proxy is: those before it are the
        client's own words.
        """
        address = peer = _address(request.remote or "")
        if peer is None or not self._trusts(peer):
            return peer
        said = ",".join(request.headers.getall("X-Forwarded-For", []))
        for text in reversed(said.split(",") if said else []):
            hop = _address(text)
            if hop is None:
                break
            address = hop
            if not self._trusts(hop):
                break
        return address

    def client_key(self, request: web.Request) -> str:
        """What limits count by: an address, of IPv6 the network that one subscriber has (/64)."""
        return subscriber(self.client(request))

    def is_https(self, request: web.Request) -> bool:
        """Whether the browser's side is HTTPS, as far as can be known."""
        peer = _address(request.remote or "")
        if request.secure or peer is None or not self._trusts(peer):
            return request.secure
        return request.headers.get("X-Forwarded-Proto", "").strip().lower() == "https"

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._settings.trusted_proxies)

    def is_local(self, request: web.Request) -> bool:
        """From this machine itself, by its own name, and not handed on by anybody.

        The name keeps out a page whose own name was made to mean this machine (DNS rebinding).
        """
        peer = _address(request.remote or "")
        if peer is None or not peer.is_loopback or self._trusts(peer):
            return False
        if any(name in request.headers for name in _FORWARDED):
            return False
        host = urlsplit(f"//{request.host}").hostname or ""
        named = _address(host)
        return named.is_loopback if named is not None else host.lower() == "localhost"


def is_cross_site(request: web.Request) -> bool:
    """Whether a page of another site sent this; following a link to here is no harm."""
    site = request.headers.get("Sec-Fetch-Site")
    if request.method in _SAFE:
        opened = request.headers.get("Sec-Fetch-Mode") == "navigate"
        return site in ("cross-site", "same-site") and not opened
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")  # of browsers before 2023; programs send neither
    return origin is not None and urlsplit(origin).netloc.lower() != request.host.lower()


def subscriber(address: Address | None) -> str:
    """An address as limits count it: of IPv6 the /64 that one subscriber has."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _is_admin(request: web.Request) -> bool:
    """By the request's path and by that of the route it matched, whichever says so."""
    paths = (request.path, _route(request))
    return any(
        path == each or path.startswith(f"{each}/") for path in paths for each in ADMIN_PATHS
    )


def _route(request: web.Request) -> str:
    """The path of the route that it matched, as it was registered; "/" for none."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "/"


def _bears(request: web.Request, token: SecretStr) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and _same(given.strip(), token)


def _same(given: str, token: SecretStr) -> bool:
    """In a time that tells nothing of where they differ."""
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), token.get_secret_value().encode()
    )


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip().strip('"').strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _too_many(wait_s: float) -> web.Response:
    seconds = str(max(1, round(wait_s)))
    return refusal(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too_many",
        f"too many wrong tokens from this address: wait {seconds} s",
        {"Retry-After": seconds},
    )
