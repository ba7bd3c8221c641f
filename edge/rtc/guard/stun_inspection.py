"""Inspection of STUN datagrams (RFC 8489) before aioice parses them.

aioice checks the fingerprint over the whole datagram at each FINGERPRINT attribute, and raises in
the socket's callback for a Binding request without PRIORITY. Pure.
"""

from __future__ import annotations

import struct

MAX_BYTES = 1280  # of a datagram; the names and the password's hash of a check fit into 600
MAX_ATTRIBUTES = 24  # in a message; browsers send up to eight
MAX_USERNAME_BYTES = 513  # two fragments of 256 characters (RFC 8839, section 5.4) and a colon

_HEADER = struct.Struct("!HHL")
_HEADER_BYTES = 20
_COOKIE = 0x2112A442
_BINDING_REQUEST = 0x0001
_USERNAME, _MESSAGE_INTEGRITY, _PRIORITY = 0x0006, 0x0008, 0x0024
_LENGTHS = {_MESSAGE_INTEGRITY: 20, _PRIORITY: 4}


def malformation(data: bytes) -> str | None:
    """Why a datagram is not passed to aioice; None: it may parse it."""
    if len(data) < _HEADER_BYTES or len(data) > MAX_BYTES:
        return "not a STUN message's size"
    kind, length, cookie = _HEADER.unpack_from(data)
    if cookie != _COOKIE or _HEADER_BYTES + length != len(data):
        return "not a STUN message"
    position, count = _HEADER_BYTES, 0
    prioritised = authenticated = False
    while position < len(data):
        if position + 4 > len(data):
            return "an attribute cut short"
        attribute, size = struct.unpack_from("!HH", data, position)
        count += 1
        if count > MAX_ATTRIBUTES:
            return f"more than {MAX_ATTRIBUTES} attributes"
        if position + 4 + size > len(data):
            return "an attribute cut short"
        if size != _LENGTHS.get(attribute, size):
            return f"attribute {attribute:#06x} of {size} bytes"
        if attribute == _USERNAME and size > MAX_USERNAME_BYTES:
            return f"a user name of {size} bytes"
        if attribute == _MESSAGE_INTEGRITY:
            authenticated = True
        elif attribute == _PRIORITY and not authenticated:
            prioritised = True
        position += 4 + size + -size % 4
    if kind == _BINDING_REQUEST and authenticated and not prioritised:
        return "a check without PRIORITY"  # RFC 8445, section 7.1.1: it is mandatory
    return None
