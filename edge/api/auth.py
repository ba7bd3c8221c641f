"""Access control: one token for publishing, another for administering.

Administering is also allowed from this machine itself. One middleware, `AccessControl.guard`,
protects every administering route (`/admin`, `/api`, `/metrics`), so that no handler can forget it.
Tokens are compared in constant time, never logged, and never stored in a browser: a login sets a
cookie that is valid until the server restarts.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import SecretStr

from edge.api.errors import Handler, json_error
from edge.clock import now_ms
from edge.config import Settings
from edge.rtc.guard.candidate_policy import own_addresses
from edge.session.rate_limits import KeyedRateLimiter

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Proof = Literal["token", "cookie", "local"]

ADMIN_PATHS = ("/admin", "/api", "/metrics")
LOGIN_PATH = "/admin/login"
COOKIE = "edge_admin"
LOGIN_S = 12 * 3600
WRONG_TOKENS_PER_MINUTE = 10  # from one address; then 429 for any token
PROOF = web.RequestKey("edge_proof", str)
"""How an administering request was authorised: "token", "cookie" or "local"."""

_SAFE = {"GET", "HEAD", "OPTIONS"}
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")


class AccessControl:
    """Finds out where a request comes from, and what it may do."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        chosen = settings.admin_loopback
        self._local = not settings.http if chosen is None else chosen
        self._key = secrets.token_bytes(32)  # signs cookies: a restart ends every login
        self._failures = KeyedRateLimiter(WRONG_TOKENS_PER_MINUTE, 60_000.0)

    # Publishing

    def may_publish(self, request: web.Request) -> bool:
        """Whether the request has the publishers' token, if one is configured."""
        return self._settings.token is None or _has_bearer(request, self._settings.token)

    # Administering

    @property
    def guard(self) -> Middleware:
        """The middleware that refuses unauthorised requests to administering routes."""

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
        """The error response to an unauthorised request; None for an authorised one."""
        if is_cross_site(request):
            return json_error(HTTPStatus.FORBIDDEN, "cross_site", "this request is another site's")
        if _route(request) == LOGIN_PATH:
            return None
        if "Authorization" in request.headers and (wait_s := self.retry_after_s(request)):
            return _too_many(wait_s)
        proof = self._proof(request)
        if proof is not None:
            request[PROOF] = proof
            return None
        if "Authorization" in request.headers:
            self.record_failure(request)
        elif request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": LOGIN_PATH})
        return json_error(
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
            if _has_bearer(request, token):
                return "token"
            if self._cookie_is_valid(request.cookies.get(COOKIE, "")):
                return "cookie"
        return "local" if self._local and self.is_local(request) else None

    @property
    def has_admin_token(self) -> bool:
        return self._settings.admin_token is not None

    def is_admin_token(self, text: str) -> bool:
        """Whether `text` is the admin token; never where none is configured."""
        token = self._settings.admin_token
        return token is not None and _equal(text, token)

    def retry_after_s(self, request: web.Request) -> float:
        """Seconds until the request's address may try a token again; 0 if it may now."""
        return self._failures.wait_ms(self.client_key(request), now_ms()) / 1000.0

    def record_failure(self, request: web.Request) -> None:
        """Count a wrong token from the request's address."""
        self._failures.take(self.client_key(request), now_ms())

    def log_in(self, request: web.Request, response: web.Response) -> None:
        """Set the login cookie, which scripts and pages of other sites cannot use."""
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

    def _cookie_is_valid(self, value: str) -> bool:
        until, _, mac = value.partition(".")
        if not (until.isascii() and until.isdecimal() and len(until) < 16):
            return False
        return (
            hmac.compare_digest(mac.encode("utf-8", "replace"), self._mac(int(until)).encode())
            and int(until) > now_ms() / 1000.0
        )

    def _mac(self, until_s: int) -> str:
        """Authenticates the login's end; covers the token, so that changing it ends every login."""
        token = self._settings.admin_token
        secret = "" if token is None else token.get_secret_value()
        return hmac.new(self._key, f"{until_s} {secret}".encode(), hashlib.sha256).hexdigest()

    # Addresses

    def client(self, request: web.Request) -> Address | None:
        """The client's address: the connection's, or the one that trusted proxies report.

        That is the last entry of X-Forwarded-For that is not itself a trusted proxy: the client
        may have made up those before it.
        """
        address = peer = _address(request.remote or "")
        if peer is None or not self._trusts(peer):
            return peer
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
        for text in reversed(forwarded.split(",") if forwarded else []):
            hop = _address(text)
            if hop is None:
                break
            address = hop
            if not self._trusts(hop):
                break
        return address

    def client_key(self, request: web.Request) -> str:
        """The key that rate limits count by: see `subscriber`."""
        return subscriber(self.client(request))

    def is_https(self, request: web.Request) -> bool:
        """Whether the browser uses HTTPS, as far as a trusted proxy reports it."""
        peer = _address(request.remote or "")
        if request.secure or peer is None or not self._trusts(peer):
            return request.secure
        return request.headers.get("X-Forwarded-Proto", "").strip().lower() == "https"

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._settings.trusted_proxies)

    def is_local(self, request: web.Request) -> bool:
        """Whether it was sent from this machine, to a loopback name, and by no proxy.

        Checking the name defends against DNS rebinding: a page's own name resolving to loopback.
        """
        peer = _address(request.remote or "")
        if peer is None or not peer.is_loopback or self._trusts(peer):
            return False
        if any(name in request.headers for name in _FORWARDED):
            return False
        host = urlsplit(f"//{request.host}").hostname or ""
        literal = _address(host)
        return literal.is_loopback if literal is not None else host.lower() == "localhost"

    def is_on_this_machine(self, request: web.Request) -> bool:
        """Whether the client's address is one of this machine's, as far as proxies report it."""
        client, peer = self.client(request), _address(request.remote or "")
        forwarded = any(name in request.headers for name in _FORWARDED)
        if client is None or (client == peer and forwarded):
            return False  # by a proxy that is not trusted to name the client
        return client.is_loopback or client in own_addresses()


def is_cross_site(request: web.Request) -> bool:
    """Whether a page of another site sent this (CSRF); following a link to here is allowed."""
    site = request.headers.get("Sec-Fetch-Site")
    if request.method in _SAFE:
        navigation = request.headers.get("Sec-Fetch-Mode") == "navigate"
        return site in ("cross-site", "same-site") and not navigation
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")  # browsers before 2023; programs send neither
    return origin is not None and urlsplit(origin).netloc.lower() != request.host.lower()


def subscriber(address: Address | None) -> str:
    """The address as text; for IPv6 its /64 network, which is what one subscriber has."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _is_admin(request: web.Request) -> bool:
    """Whether the request's path, or that of the route it matched, is an administering one."""
    paths = (request.path, _route(request))
    return any(
        path == each or path.startswith(f"{each}/") for path in paths for each in ADMIN_PATHS
    )


def _route(request: web.Request) -> str:
    """The path of the matched route as it was registered; "/" if none matched."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "/"


def _has_bearer(request: web.Request, token: SecretStr) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and _equal(given.strip(), token)


def _equal(given: str, token: SecretStr) -> bool:
    """Compares in constant time."""
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
    return json_error(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too_many",
        f"too many wrong tokens from this address: wait {seconds} s",
        {"Retry-After": seconds},
    )
