"""What a node says of itself, five times a second. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.base.node_name import NODE_NAME_PATTERN

PERIOD_MS = 200.0
MAX_BEAT_BYTES = 4096

Text = Annotated[str, Field(max_length=128)]


class BeatError(ValueError):
    """Bytes that are no beat; the message says why."""


class Beat(BaseModel):
    """One beat. Fields that are not known are ignored: a later version may say more."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    node: Annotated[str, Field(pattern=NODE_NAME_PATTERN)]
    incarnation: Annotated[str, Field(min_length=1, max_length=64)]
    """Of the process: another one after a restart."""
    seq: Annotated[int, Field(ge=0)] = 0
    version: Text = ""
    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+(/[^\s]*)?$", max_length=512)]
    """Where directors reach its HTTP, without a slash at the end."""
    fingerprint: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """SHA-256 of its certificate (DER), in hexadecimal; empty: plain HTTP, or checked as usual."""
    key: Text = ""
    """Proves to the node that a request comes from a director, who got this beat."""
    sessions: Annotated[int, Field(ge=0)] = 0
    load: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 1.0
    """The share of what it could serve that is in use."""
    room: Annotated[int, Field(ge=0)] = 0
    """How many more sessions it would admit."""
    ready: bool = False
    draining: bool = False
    settings: Text = ""
    """A hash: nodes that would serve a session alike have the same."""

    def to_bytes(self) -> bytes:
        return self.model_dump_json().encode()

    @classmethod
    def of(cls, data: bytes) -> Beat:
        """The beat that `data` is; BeatError if it is none."""
        if len(data) > MAX_BEAT_BYTES:
            raise BeatError(f"{len(data)} bytes: at most {MAX_BEAT_BYTES}")
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "the message"
            raise BeatError(f"{place}: {first['msg']}") from None
