"""aiortc's connection, which may be closed at any moment."""

from __future__ import annotations

from typing import Any, cast

from aiortc import InvalidStateError, RTCConfiguration, RTCPeerConnection


def create_connection(configuration: RTCConfiguration) -> RTCPeerConnection:
    """A connection that may be closed while it connects without an exception.

    The library's own task goes on to the next transport after the handshake's end, finds it closed
    and raises where nobody awaits it: a traceback in the log for each publisher that ends early.
    """
    connection: Any = RTCPeerConnection(configuration)
    connect = connection._RTCPeerConnection__connect

    async def connect_until_closed() -> None:
        try:
            await connect()
        except InvalidStateError:
            if connection.signalingState != "closed":
                raise

    connection._RTCPeerConnection__connect = connect_until_closed
    return cast(RTCPeerConnection, connection)
