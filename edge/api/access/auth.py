"""Access control: one token for publishing, another for administering, a third for reading results.

Where no admin token is set, administering is allowed from this machine itself. One middleware,
`AccessControl.guard`, protects every administering route (`/admin`, `/api`, `/metrics`), so that no
handler can forget it.
Tokens are compared in constant time, never logged, and never stored in a browser: a login sets a
random cookie that is valid until the logout, the end of its time or another admin token.
"""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from edge.api.access.directors import Directors
from edge.api.access.logins import LOGIN_S, Logins
from edge.api.access.origins import is_cross_origin, is_cross_site
from edge.api.access.tokens import TokenStore, equal_to
from edge.api.errors import CORS, ROOT_PATH, Handler, json_error, link
from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.config import PublishingToken, Settings
from edge.rtc.guard.candidate_policy import own_addresses
from edge.session.rate_limits import KeyedRateLimiter

log = get_logger("edge.api.access.auth")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Proof = Literal["token", "cookie", "local", "read"]

ADMIN_PATHS = ("/admin", "/api", "/metrics")
READ_PATHS = ("/api/results", "/api/sessions/{name}/results")
"""Routes that the read token opens, too, also to programs in pages of other origins: a bearer token
is sent by a program's own decision, and never by a browser's. Nothing else opens them to these."""
LOGIN_PATH = "/admin/login"
COOKIE = "edge_admin"
WRONG_TOKENS_PER_MINUTE = 10  # from one address; then 429 for any token
PROOF = web.RequestKey("edge_proof", str)
"""How an administering request was authorised: "token", "cookie", "local" or "read"."""

_FORWARDED = (
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "Via",
)


class AccessControl:
    """Finds out where a request comes from, and what it may do."""

    def __init__(
        self,
        settings: Settings,
        logins: Logins | None = None,
        directors: Directors | None = None,
    ) -> None:
        """`logins`: those that are kept; by default they end with the process. `directors`: of the
        fleet that this server is a node of."""
        self._settings = settings
        self.directors = directors or Directors()
        self._tokens = TokenStore(settings)
        chosen = settings.admin_loopback
        self._trusts_loopback = not settings.http if chosen is None else chosen
        if chosen and self._tokens.admin is not None:
            log.warning(
                "deprecated_value",
                key="admin_loopback",
                reason="where admin_token is set, this machine needs it, too",
            )
        self._logins = logins or Logins(None)
        self._failures = KeyedRateLimiter(WRONG_TOKENS_PER_MINUTE, 60_000.0)
        self._publishing_failures = KeyedRateLimiter(WRONG_TOKENS_PER_MINUTE, 60_000.0)

    # Publishing

    def may_publish(self, request: web.Request) -> bool:
        """Whether the request has a publishing token, if any is configured; a wrong one counts."""
        if not self.publishing_protected or self.publishing_token(request) is not None:
            return True
        if "Authorization" in request.headers:
            self._publishing_failures.take(self._guesser(request), now_ms())
        return False

    def publishing_wait_ms(self, request: web.Request) -> float:
        """Time until the request's address may try a publishing token; 0 if it may now."""
        if not self.publishing_protected or "Authorization" not in request.headers:
            return 0.0
        return self._publishing_failures.wait_ms(self._guesser(request), now_ms())

    def publishing_token(self, request: web.Request) -> PublishingToken | None:
        """The publishing token that the request has."""
        return self._tokens.publishing(_bearer(request))

    @property
    def publishing_protected(self) -> bool:
        """Whether publishing takes a token."""
        return self._tokens.publishing_protected

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
                if _route(request) in READ_PATHS:
                    response.headers.update(CORS)  # so that a page can tell why it was refused
            return response

        return guard

    def _refuse(self, request: web.Request) -> web.StreamResponse | None:
        """The error response to an unauthorised request; None for an authorised one."""
        reads = _route(request) in READ_PATHS
        if reads and request.method == "OPTIONS":
            return None  # a browser's preflight has no token
        foreign = is_cross_origin(request) if reads else is_cross_site(request)
        if foreign and not (reads and "Authorization" in request.headers):
            return json_error(HTTPStatus.FORBIDDEN, "cross_site", "this request is another site's")
        if _route(request) == LOGIN_PATH:
            return None
        if "Authorization" in request.headers and (wait_s := self.retry_after_s(request)):
            return _too_many(wait_s)
        # Address and cookie are the browser's, whatever page it shows: a token is the page's own.
        proof = self._token_proof(request) if foreign else self._proof(request)
        if proof is None and reads and self._is_read_token(_bearer(request)):
            proof = "read"
        if proof is not None:
            request[PROOF] = proof
            return None
        if "Authorization" in request.headers:
            self.record_failure(request)
        elif request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            return web.Response(
                status=HTTPStatus.SEE_OTHER, headers={"Location": link(request, LOGIN_PATH)}
            )
        return json_error(
            HTTPStatus.UNAUTHORIZED,
            "unauthorized",
            "administering takes the admin token"
            if self.has_admin_token
            else "administering takes an admin token, and none is set (admin_token)",
            {"WWW-Authenticate": 'Bearer realm="edge admin"'},
        )

    def _token_proof(self, request: web.Request) -> Proof | None:
        return "token" if self.is_admin_token(_bearer(request)) else None

    def _proof(self, request: web.Request) -> Proof | None:
        if self.has_admin_token:
            if (proof := self._token_proof(request)) is not None:
                return proof
            return "cookie" if self._is_logged_in(request) else None
        return "local" if self._trusts_loopback and self.is_local(request) else None

    def may_see_counts(self, request: web.Request) -> bool:
        """Whether the request may see the server's counts: an administrator's, or a local one."""
        if self._trusts_loopback and self.is_local(request):
            return True
        given = "Authorization" in request.headers
        if given and self.retry_after_s(request):
            return False
        proof = self._proof(request)
        if proof is None and given:
            self.record_failure(request)
        return proof is not None

    @property
    def has_admin_token(self) -> bool:
        return self._tokens.admin is not None

    def is_admin_token(self, text: str) -> bool:
        """Whether `text` is the admin token; never where none is configured."""
        token = self._tokens.admin
        return token is not None and equal_to(text, token)

    def _is_read_token(self, text: str) -> bool:
        token = self._tokens.read
        return token is not None and equal_to(text, token)

    def retry_after_s(self, request: web.Request) -> float:
        """Seconds until the request's address may try a token again; 0 if it may now."""
        return self._failures.wait_ms(self._guesser(request), now_ms()) / 1000.0

    def record_failure(self, request: web.Request) -> None:
        """Count a wrong token from the request's address."""
        self._failures.take(self._guesser(request), now_ms())

    def _guesser(self, request: web.Request) -> str:
        """The key that wrong tokens count by.

        Pages of other origins have one of their own: they send from whatever machine shows them,
        and must not use up the attempts of the people at it.
        """
        key = self.client_key(request)
        return f"{key} by a page of another origin" if is_cross_origin(request) else key

    def log_in(self, request: web.Request, response: web.Response) -> None:
        """Set the login cookie, which scripts and pages of other sites cannot use."""
        cookie = self._logins.begin(self._admin_secret)
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=LOGIN_S,
            path=request.get(ROOT_PATH, "") or "/",
            httponly=True,
            samesite="Strict",
            secure=self.is_https(request),
        )

    def log_out(self, request: web.Request, response: web.Response) -> None:
        """End the login here, too: a copy of its cookie is of no use any more."""
        self._logins.end(request.cookies.get(COOKIE, ""))
        response.del_cookie(COOKIE, path=request.get(ROOT_PATH, "") or "/")

    def _is_logged_in(self, request: web.Request) -> bool:
        return self._logins.is_valid(request.cookies.get(COOKIE, ""), self._admin_secret)

    @property
    def _admin_secret(self) -> str:
        token = self._tokens.admin
        return "" if token is None else token.get_secret_value()

    # Addresses

    def client(self, request: web.Request) -> Address | None:
        """The client's address: the connection's, or the one that trusted proxies report.

        That is the last entry of X-Forwarded-For that is not itself a trusted proxy: the client
        may have made up those before it.
        """
        peer = _address(request.remote or "")
        if peer is None or not self.is_from_trusted_proxy(request):
            return peer
        return self._reported_client(request) or peer

    def _reported_client(self, request: web.Request) -> Address | None:
        """What a proxy reports, which must be one to trust; None if it names no address."""
        address = None
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
        if request.secure or not self.is_from_trusted_proxy(request):
            return request.secure
        return request.headers.get("X-Forwarded-Proto", "").strip().lower() == "https"

    def is_from_trusted_proxy(self, request: web.Request) -> bool:
        """Whether the connection is a trusted proxy's, or the fleet's director's, whose headers are
        its own word."""
        peer = _address(request.remote or "")
        trusted = peer is not None and self._trusts(peer)
        return trusted or self.directors.vouch_for(request)

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
        try:
            host = urlsplit(f"//{request.host}").hostname or ""
        except ValueError:  # brackets that are no address
            return False
        literal = _address(host)
        return literal.is_loopback if literal is not None else host.lower() == "localhost"

    def is_local_publisher(self, request: web.Request) -> bool:
        """Whether a publisher's request is from this machine, as is_local, or a director says so:
        its address is bound to no limits."""
        if not self.directors.vouch_for(request):
            return self.is_local(request)
        reported = self._reported_client(request)
        return reported is not None and reported.is_loopback

    def is_on_this_machine(self, request: web.Request) -> bool:
        """Whether the client's address is one of this machine's, as far as proxies report it."""
        if self.directors.vouch_for(request):  # a director names such an address only if it is so
            reported = self._reported_client(request)
            return reported is not None and (reported.is_loopback or reported in own_addresses())
        client, peer = self.client(request), _address(request.remote or "")
        forwarded = any(name in request.headers for name in _FORWARDED)
        if client is None or (client == peer and forwarded):
            return False  # by a proxy that is not trusted to name the client
        return client.is_loopback or client in own_addresses()


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


def _bearer(request: web.Request) -> str:
    """The bearer token of a request; empty if it has none."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def _address(text: str) -> Address | None:
    """An address, which may have a port as proxies write it: `192.0.2.1:80`, `[2001:db8::1]:80`."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = text.partition(":")
        text, port = (host, port) if "." in host and ":" not in port else (text, "")
    if port and not (port.isascii() and port.isdigit()):
        return None
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
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
