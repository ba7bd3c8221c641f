"""The messages between the server and a child process: typed, one JSON datagram each.

A datagram is a JSON object, a newline and, for some types, binary data. Pictures are never part of
one: a message names the slot of shared memory that holds a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, Self, cast

import pydantic

from edge.ipc.pipe import MAX_MESSAGE_BYTES, Message


class MessageError(ValueError):
    """A datagram that is not a message, or a message too long for a datagram."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Server to child: finish the work sent before this, then end."""

    type: Literal["stop"] = "stop"


@dataclass(frozen=True, slots=True)
class Ready:
    """Child to server: it has started; `description` names its device, if it has one."""

    description: str = ""
    type: Literal["ready"] = "ready"


class BinaryMessage:
    """A message part of which travels as binary data after the JSON object."""

    __slots__ = ()

    def detach(self) -> tuple[Self, bytes]:
        """The message without that part, and the part as bytes."""
        raise NotImplementedError

    def attach(self, data: bytes) -> Self:
        """The message with that part again; MessageError for bytes that do not fit it."""
        raise NotImplementedError


class Codec(Generic[Message]):
    """Encodes and decodes the messages of a union of dataclasses, discriminated by their `type`."""

    def __init__(self, union: Any) -> None:
        self._adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(
            Annotated[union, pydantic.Field(discriminator="type")],
            config=pydantic.ConfigDict(ser_json_inf_nan="constants"),  # a bitrate may be infinite
        )

    def encode(self, message: Message) -> bytes:
        """The datagram of a message; MessageError if it is longer than MAX_MESSAGE_BYTES."""
        plain: object = message
        binary = b""
        if isinstance(message, BinaryMessage):
            plain, binary = message.detach()
        data = self._adapter.dump_json(plain) + b"\n" + binary
        if len(data) > MAX_MESSAGE_BYTES:
            name = type(message).__name__
            raise MessageError(f"a {name} message of {len(data)} bytes is too long to send")
        return data

    def decode(self, data: bytes | memoryview) -> Message:
        """The message in a datagram; MessageError describes the fault in one line."""
        head, newline, binary = bytes(data).partition(b"\n")
        if not newline:
            raise MessageError(f"a datagram of {len(data)} bytes without an end of its JSON")
        try:
            message: object = self._adapter.validate_json(head)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise MessageError(f"{place or 'message'}: {first['msg']}") from None
        if isinstance(message, BinaryMessage):
            message = message.attach(binary)
        elif binary:
            raise MessageError(f"{len(binary)} stray bytes after a {type(message).__name__}")
        return cast(Message, message)
