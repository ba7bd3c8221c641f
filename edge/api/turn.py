"""TURN credentials that end by themselves, minted from a secret shared with the TURN server.

The convention that coturn calls `use-auth-secret` (TURN REST API): the user name is when it ends,
in Unix seconds, and a name for the log; the password is the base64 of its HMAC-SHA1. Pure: the
time is an argument. It is the wall clock's, the one time here that another machine must agree on.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence

from pydantic import SecretStr

from edge.config import IceServer, Settings


def credentials(secret: str, name: str, now_s: float, ttl_s: float) -> tuple[str, str]:
    """User name and password, good until `ttl_s` seconds after `now_s`."""
    username = f"{int(now_s + ttl_s)}:{name}"
    mac = hmac.digest(secret.encode(), username.encode(), "sha1")
    return username, base64.b64encode(mac).decode()


def ice_servers(settings: Settings, name: str, now_s: float) -> Sequence[IceServer]:
    """The settings' servers, with credentials for those that are to have them minted."""
    if settings.turn_secret is None:
        return settings.ice_servers
    username, password = credentials(
        settings.turn_secret.get_secret_value(), name, now_s, settings.turn_ttl_s
    )
    return [
        server.model_copy(update={"username": username, "credential": SecretStr(password)})
        if server.wants_credentials
        else server
        for server in settings.ice_servers
    ]


def links(servers: Sequence[IceServer]) -> list[str]:
    """`Link` header values (RFC 9725, section 4.6), credentials included."""
    found = []
    for server in servers:
        for url in server.urls:
            link = f'<{url}>; rel="ice-server"'
            if server.username is not None and server.credential is not None:
                link += (
                    f'; username="{server.username}"'
                    f'; credential="{server.credential.get_secret_value()}"'
                    '; credential-type="password"'
                )
            found.append(link)
    return found
