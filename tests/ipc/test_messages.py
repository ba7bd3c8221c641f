"""Datagrams: typed JSON, binary data after it, and an error for everything else."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import pytest

from edge.ipc.messages import BinaryMessage, Codec, MessageError, Ready, Stop
from edge.ipc.pipe import MAX_MESSAGE_BYTES


@dataclass(frozen=True, slots=True)
class Number:
    value: float
    type: Literal["number"] = "number"


@dataclass(frozen=True, slots=True)
class Blob(BinaryMessage):
    name: str
    data: bytes = b""
    type: Literal["blob"] = "blob"

    def detach(self) -> tuple[Blob, bytes]:
        return replace(self, data=b""), self.data

    def attach(self, data: bytes) -> Blob:
        if len(data) > 8:
            raise MessageError("a blob of more than 8 bytes")
        return replace(self, data=data)


Message = Number | Blob | Ready | Stop
CODEC: Codec[Message] = Codec(Message)


@pytest.mark.parametrize(
    "message",
    [
        Number(1.5),
        Number(math.inf),
        Blob("a", b"\n\x00\xff\n"),
        Blob("empty"),
        Ready("GPU"),
        Stop(),
    ],
)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    assert CODEC.decode(memoryview(CODEC.encode(message))) == message


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "without an end"),
        (b'{"type":"stop"}', "without an end"),
        (b"\n", "message: "),
        (b"\xff\xfe\n", "message: "),
        (b"[]\n", "message: "),
        (b"{}\n", "message: "),
        (b'{"type":"unknown"}\n', "unknown"),
        (b'{"type":"number"}\n', "number.value: Field required"),
        (b'{"type":"number","value":"x"}\n', "number.value: "),
        (b'{"type":"stop"}\nx', "1 stray bytes after a Stop"),
        (b'{"type":"blob","name":"a"}\n123456789', "more than 8 bytes"),
    ],
)
def test_a_malformed_datagram_is_an_error_that_names_the_fault(data: bytes, fault: str) -> None:
    with pytest.raises(MessageError, match=fault) as raised:
        CODEC.decode(data)
    assert "\n" not in str(raised.value)


def test_the_longest_message_fits_and_one_byte_more_is_refused() -> None:
    overhead = len(CODEC.encode(Ready("")))
    longest = Ready("x" * (MAX_MESSAGE_BYTES - overhead))
    assert CODEC.decode(CODEC.encode(longest)) == longest
    with pytest.raises(MessageError, match="a Ready message of .* bytes is too long"):
        CODEC.encode(Ready(longest.description + "x"))
