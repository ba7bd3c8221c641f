"""STUN and TURN servers, as the settings have them, for aiortc."""

from __future__ import annotations

from typing import Any

from aiortc import RTCIceServer


def ice_server(server: Any) -> RTCIceServer:
    """One of the settings' servers, or what is one already."""
    if isinstance(server, RTCIceServer):
        return server
    secret = server.credential
    return RTCIceServer(
        urls=server.urls,
        username=server.username,
        credential=secret.get_secret_value() if hasattr(secret, "get_secret_value") else secret,
    )
