"""Requests that a fleet's director forwards: they are its clients', as far as it says.

A director is known by a key that this process made and that only its beats tell
(edge/fleet/beat.py): no address of a director needs to be set, also behind NAT.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections import OrderedDict

from aiohttp import web

KEY_HEADER = "X-Edge-Director-Key"
MAX_KNOWN = 256  # addresses of directors; the one heard of least recently is forgotten first

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Directors:
    """Those who have this process' key."""

    def __init__(self, *, expected: bool = False) -> None:
        """Without `expected`, there is no key, and no director."""
        self.key = secrets.token_urlsafe(24) if expected else ""
        self._known: OrderedDict[str, None] = OrderedDict()

    def vouch_for(self, request: web.Request) -> bool:
        """Whether a director sent this request on."""
        given = request.headers.get(KEY_HEADER, "")
        if not self.key or not hmac.compare_digest(
            given.encode("utf-8", "surrogatepass"), self.key.encode()
        ):
            return False
        if request.remote is not None:
            self._known[request.remote] = None
            self._known.move_to_end(request.remote)
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return True

    def is_known(self, address: Address) -> bool:
        """Whether a director has sent something from there."""
        return str(address) in self._known
