"""Requests of other sites' pages: what browsers tell of the page that sent a request."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

_SAFE = {"GET", "HEAD", "OPTIONS"}


def is_cross_site(request: web.Request) -> bool:
    """Whether a page of another site sent this (CSRF); following a link to here is allowed.

    Browsers say so in Sec-Fetch-Site, which no page can set; those before 2023, and all for the
    handshake of a WebSocket, in Origin alone. Programs send neither.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site == "same-origin":  # also where a proxy changed the Host that Origin is compared with
        return False
    origin = request.headers.get("Origin")
    if origin is not None and not _is_own_origin(request, origin):
        return True
    if site is None or site == "none":
        return False
    navigation = request.headers.get("Sec-Fetch-Mode") == "navigate"
    return not (request.method in _SAFE and navigation)


def is_cross_origin(request: web.Request) -> bool:
    """Whether a page of another origin sent this, whatever the method."""
    origin = request.headers.get("Origin")
    if origin is not None and not _is_own_origin(request, origin):
        return True
    return request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")


def _is_own_origin(request: web.Request, origin: str) -> bool:
    try:
        own = urlsplit(origin)
    except ValueError:  # brackets that are no address
        return False
    if request.secure and own.scheme != "https":
        return False  # anybody on the network's path can be that page
    return own.netloc.lower() == request.host.lower()
