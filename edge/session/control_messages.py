"""The messages of the data channels: JSON objects with a `type`, one a message.

What a page sends is checked here, once; unknown types and fields are ignored, so that either side
may be newer than the other. All times are milliseconds; the server's are its monotonic clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

VERSION = 1
MAX_MESSAGE_BYTES = 16 * 1024

SLO_MIN_MS, SLO_MAX_MS = 20.0, 5000.0
LABEL_MAX_CHARS = 64

_Ms = Annotated[float, Field(ge=-1e15, le=1e15)]
_Duration = Annotated[float, Field(ge=0, le=1e9)]
_Rate = Annotated[float, Field(ge=0, le=1e12)]
_Side = Annotated[int, Field(ge=0, le=65535)]
SloMs = Annotated[float, Field(ge=SLO_MIN_MS, le=SLO_MAX_MS)]


class ProtocolError(Exception):
    """A message that cannot be understood: `code` for programs, the message for people."""

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
    """The page's first message: what it wants."""

    type: Literal["hello"]
    version: int
    slo_ms: SloMs | None = None
    fps: Annotated[float, Field(ge=0.1, le=240)] | None = None
    label: _Label | None = None


class Ping(_Message):
    """A clock sample: `t0_ms` is the page's clock when it sent this, since the Unix epoch.

    `offset_ms`, once known, is what the page adds to its own clock to get the server's.
    """

    type: Literal["ping"]
    t0_ms: _Ms
    offset_ms: _Ms | None = None
    rtt_ms: _Duration | None = None


class Quantiles(_Message):
    p50_ms: _Duration | None = Field(None, alias="p50")
    p99_ms: _Duration | None = Field(None, alias="p99")


class Shown(_Message):
    """What the page has shown since its last report."""

    n: Annotated[int, Field(ge=0)] = 0
    late: Annotated[int, Field(ge=0)] = 0
    p50_ms: _Duration | None = None
    p99_ms: _Duration | None = None


class Report(_Message):
    """The sender's own view, twice a second; whatever a browser cannot tell is absent."""

    type: Literal["report"]
    available_bps: _Rate | None = None
    rtt_ms: _Duration | None = None
    width: _Side | None = None
    height: _Side | None = None
    fps: _Rate | None = None
    qp: _Rate | None = None
    encode_ms: _Duration | None = None
    shown: Shown | None = None
    back_ms: Quantiles | None = None


class Applied(_Message):
    """The page has carried out the hint numbered `seq`."""

    type: Literal["applied"]
    seq: Annotated[int, Field(ge=0)]


Incoming = Hello | Ping | Report | Applied

_incoming: TypeAdapter[Incoming] = TypeAdapter(Annotated[Incoming, Field(discriminator="type")])
_TYPES = ("hello", "ping", "report", "applied")


def parse(message: str | bytes, most: int = MAX_MESSAGE_BYTES) -> Incoming | None:
    """The message, or None for a type that this version does not know.

    Raises ProtocolError with one of the codes too_large, not_json, not_an_object, no_type,
    bad_field.
    """
    if isinstance(message, bytes):
        raise ProtocolError("not_json", "control messages are JSON text, this one is binary")
    if len(message) > most:
        raise ProtocolError("too_large", f"{len(message)} characters: at most {most} in a message")
    try:
        value = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("not_json", f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ProtocolError("not_an_object", "a message is a JSON object")
    kind = value.get("type")
    if not isinstance(kind, str):
        raise ProtocolError("no_type", "`type` is missing, or is no string")
    if kind not in _TYPES:
        return None
    try:
        return _incoming.validate_python(value)
    except ValidationError as error:
        raise ProtocolError("bad_field", describe(error)) from error


def describe(error: ValidationError) -> str:
    """The first thing wrong, as `field: rule`."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"] if part not in _TYPES)
    return f"`{field}`: {first['msg'].lower()}" if field else first["msg"].lower()


def message(kind: str, **fields: Any) -> str:
    """A message to the page, as JSON text; fields that are None are left out."""
    present = {key: value for key, value in fields.items() if value is not None}
    return json.dumps({"type": kind, **present}, separators=(",", ":"), allow_nan=False)


def detections(
    rtp: int,
    variant: str,
    batch: int,
    boxes: Sequence[tuple[str, float, float, float, float, float]],
    times_ms: Mapping[str, float],
) -> str:
    """A frame's answer: boxes are (class, score, x1, y1, x2, y2), fractions of the sent picture."""
    return message(
        "detections",
        rtp=rtp,
        variant=variant,
        batch=batch,
        boxes=[
            [name, round(score, 3), *(round(side, 4) for side in corners)]
            for name, score, *corners in boxes
        ],
        t={name: round(value, 2) for name, value in times_ms.items()},
    )
