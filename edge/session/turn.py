"""ICE servers, with TURN credentials that expire: derived from a secret shared with the server.

The scheme is the one that coturn calls `use-auth-secret` (TURN REST API): the user name is the
expiry in Unix seconds and a name for the log, the password the base64 of the user name's HMAC-SHA1.
Pure: the time is an argument. It is the wall clock's, since the TURN server must agree on it.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence

from pydantic import SecretStr

from edge.config import IceServer, Settings


def credentials(secret: str, name: str, now_s: float, ttl_s: float) -> tuple[str, str]:
    """User name and password, valid until `ttl_s` seconds after `now_s` (Unix time)."""
    username = f"{int(now_s + ttl_s)}:{name}"
    mac = hmac.digest(secret.encode(), username.encode(), "sha1")
    return username, base64.b64encode(mac).decode()


def ice_servers(settings: Settings, name: str, now_s: float) -> Sequence[IceServer]:
    """The settings' servers; TURN servers without fixed credentials get some issued to `name`."""
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
    """Values of `Link` headers (RFC 9725, section 4.6), credentials included."""
    values = []
    for server in servers:
        for url in server.urls:
            link = f'<{url}>; rel="ice-server"'
            if server.username is not None and server.credential is not None:
                link += (
                    f'; username="{server.username}"'
                    f'; credential="{server.credential.get_secret_value()}"'
                    '; credential-type="password"'
                )
            values.append(link)
    return values
