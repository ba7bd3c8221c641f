"""STUN that aioice may parse, and STUN that it may not."""

from __future__ import annotations

import struct

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from edge.rtc.guard.stun_inspection import MAX_ATTRIBUTES, MAX_USERNAME_BYTES, malformation

PRIORITY, USERNAME, USE_CANDIDATE, FINGERPRINT = 0x24, 0x06, 0x25, 0x8028


def message(*attributes: tuple[int, bytes], kind: int = 1, cookie: int = 0x2112A442) -> bytes:
    body = b"".join(
        struct.pack("!HH", number, len(value)) + value + bytes(-len(value) % 4)
        for number, value in attributes
    )
    return struct.pack("!HHL", kind, len(body), cookie) + bytes(12) + body


def check(priority: bool = True, name: str = "aaaa:bbbb") -> bytes:
    """A check as aioice makes it."""
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    request.attributes["USERNAME"] = name
    if priority:
        request.attributes["PRIORITY"] = 1
    request.attributes["ICE-CONTROLLING"] = 5
    request.attributes["USE-CANDIDATE"] = None
    request.add_message_integrity(b"password")
    return bytes(request)


def test_checks_and_responses_pass() -> None:
    response = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE)
    response.attributes["XOR-MAPPED-ADDRESS"] = ("192.0.2.1", 5000)
    response.add_message_integrity(b"password")
    assert malformation(check()) is None
    assert malformation(bytes(response)) is None
    assert malformation(check(name="a" * 256 + ":" + "b" * 256)) is None
    assert malformation(message((0x7FFF, b"of another kind"), kind=0x11)) is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "size"),
        (b"\x00\x01", "size"),
        (message((0x22, bytes(1300))), "size"),
        (message(cookie=1), "not a STUN message"),
        (message() + b"\x00\x00\x00\x00", "not a STUN message"),
        (message()[:2] + b"\x00\x02" + message()[4:] + b"\x00\x00", "cut short"),
        (struct.pack("!HHL", 1, 4, 0x2112A442) + bytes(12) + b"\x00\x24\x00\x04", "cut short"),
        (message(*[(FINGERPRINT, bytes(4))] * (MAX_ATTRIBUTES + 1)), "attributes"),
        (message((PRIORITY, b"")), "attribute 0x0024 of 0 bytes"),
        (message((USERNAME, bytes(MAX_USERNAME_BYTES + 1))), "user name"),
        (check(priority=False), "PRIORITY"),
    ],
    ids=[
        "empty",
        "two bytes",
        "too long",
        "other cookie",
        "bytes left over",
        "length beyond the end",
        "attribute beyond the end",
        "too many attributes",
        "empty PRIORITY",
        "long user name",
        "no PRIORITY",
    ],  # the data itself differs from one collection to the next
)
def test_each_malformation(data: bytes, reason: str) -> None:
    assert reason in (malformation(data) or "passed")


def test_priority_counts_only_where_it_is_authenticated() -> None:
    late = (0x08, bytes(20)), (PRIORITY, bytes(4))
    assert "PRIORITY" in (malformation(message(*late)) or "passed")
    assert malformation(message(*reversed(late))) is None


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda body: message((1, body))))
def test_any_datagram_is_read_without_exceptions(data: bytes) -> None:
    malformation(data)
