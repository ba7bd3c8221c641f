"""The messages of the data channels: one JSON object each, with a `type`.

Messages of a page are validated here, once. Unknown types and fields are ignored, so that either
side may be newer than the other; fields that the server does not use are not declared. All times
are milliseconds; the server's are of its monotonic clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edge.config import SloMs

VERSION = 1
MAX_MESSAGE_BYTES = 16 * 1024

LABEL_MAX_CHARS = 64

_Ms = Annotated[float, Field(ge=-1e15, le=1e15)]
_Duration = Annotated[float, Field(ge=0, le=1e9)]
_Rate = Annotated[float, Field(ge=0, le=1e12)]


class ProtocolError(Exception):
    """An invalid message: `code` is for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("only printable characters")
    return text


_Label = Annotated[str, Field(max_length=LABEL_MAX_CHARS), AfterValidator(_printable)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


class Hello(_Message):
    """The page's first message: its wishes and its protocol version."""

    type: Literal["hello"]
    version: int
    slo_ms: SloMs | None = None
    fps: Annotated[float, Field(ge=0.1, le=240)] | None = None
    label: _Label | None = None
    min_score: Annotated[float, Field(ge=0, le=1)] | None = None


class Ping(_Message):
    """A clock sample: `t0_ms` is the page's time of sending, since the Unix epoch.

    `offset_ms`, once the page has estimated it, is the server's clock minus the page's.
    """

    type: Literal["ping"]
    t0_ms: _Ms
    offset_ms: _Ms | None = None
    rtt_ms: _Duration | None = None


class BackTime(_Message):
    """The time that results took from the server to the page, since the last report."""

    p50: _Duration | None = None


class PageReport(_Message):
    """The page's own measurements, twice a second; a browser omits those that it lacks."""

    type: Literal["report"]
    available_bps: _Rate | None = None
    back_ms: BackTime | None = None


class Applied(_Message):
    """The page has carried out the hint numbered `seq`."""

    type: Literal["applied"]
    seq: Annotated[int, Field(ge=0)]


Incoming = Hello | Ping | PageReport | Applied

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_incoming: TypeAdapter[Incoming] = TypeAdapter(Annotated[Incoming, Field(discriminator="type")])
_TYPES = ("hello", "ping", "report", "applied")


def parse(message: str | bytes, max_bytes: int = MAX_MESSAGE_BYTES) -> Incoming | None:
    """The message, or None for an unknown type.

    Raises ProtocolError with one of the codes too_large, not_json, not_an_object, no_type,
    bad_field.
    """
    if isinstance(message, bytes):
        raise ProtocolError("not_json", "control messages are JSON text, this one is binary")
    if len(message) > max_bytes:
        raise ProtocolError(
            "too_large", f"{len(message)} characters: at most {max_bytes} in a message"
        )
    try:
        value = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("not_json", f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ProtocolError("not_an_object", "a message is a JSON object")
    kind = value.get("type")
    if not isinstance(kind, str):
        raise ProtocolError("no_type", "`type` is missing, or not a string")
    if kind not in _TYPES:
        return None
    try:
        return _incoming.validate_python(value)
    except ValidationError as error:
        raise ProtocolError("bad_field", describe(error)) from error


def describe(error: ValidationError) -> str:
    """The first violated rule, as `field: rule`."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"] if part not in _TYPES)
    return f"`{field}`: {first['msg'].lower()}" if field else first["msg"].lower()


def message(kind: str, **fields: Any) -> str:
    """A message to the page, as JSON text without the fields that are None."""
    present = {key: value for key, value in fields.items() if value is not None}
    return _encode({"type": kind, **present})


def detections(
    rtp: int,
    variant: str,
    batch: int,
    boxes: Sequence[tuple[str, float, float, float, float, float]],
    times_ms: Mapping[str, float],
    *,
    tracks: Sequence[int | None] | None = None,
) -> str:
    """A frame's answer: boxes are (class, score, x1, y1, x2, y2), fractions of the sent picture.

    With `tracks`, one for each box, it stands at the box's end.
    """
    last: Sequence[tuple[int | None, ...]] = (
        [()] * len(boxes) if tracks is None else [(track,) for track in tracks]
    )
    return _encode(
        {
            "type": "detections",
            "rtp": rtp,
            "variant": variant,
            "batch": batch,
            "boxes": [
                (
                    name,
                    round(score, 3),
                    round(x1, 4),
                    round(y1, 4),
                    round(x2, 4),
                    round(y2, 4),
                    *track,
                )
                for (name, score, x1, y1, x2, y2), track in zip(boxes, last, strict=True)
            ],
            "t": {name: round(value, 2) for name, value in times_ms.items()},
        }
    )
