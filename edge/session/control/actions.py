"""An operator's actions on a session: plain data, validated here, once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edge.config import SloMs
from edge.profile.variant import SENT_LONG_SIDES, Variant
from edge.session.control.control_messages import describe


class ActionError(ValueError):
    """An invalid action; the message names the field and the rule."""


def _sent_long_side(long_side: int) -> int:
    if long_side not in SENT_LONG_SIDES:
        raise ValueError(f"one of {', '.join(map(str, SENT_LONG_SIDES))}")
    return long_side


def _variant(name: str) -> str:
    Variant.parse(name)
    return name


class _Action(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, serialize_by_alias=True
    )


class SetSlo(_Action):
    """Change the latency objective; the publisher is notified."""

    kind: Literal["slo"] = "slo"
    slo_ms: SloMs


class PinVariant(_Action):
    """Serve the session's frames with this variant only; None: as planned."""

    kind: Literal["variant"] = "variant"
    variant: Annotated[str, AfterValidator(_variant)] | None


class PinLongSide(_Action):
    """Ask for pictures of this long side, in pixels; None: as planned."""

    kind: Literal["size"] = "size"
    long_side: Annotated[int, AfterValidator(_sent_long_side)] | None = Field(alias="edge")


class MoveSession(_Action):
    """Ask the publisher to publish anew at its address, make before break: another node serves it
    where this one is drained."""

    kind: Literal["move"] = "move"


class EndSession(_Action):
    """End the session; its publisher is notified, and does not reconnect by itself."""

    kind: Literal["end"] = "end"


Change = SetSlo | PinVariant | PinLongSide | MoveSession
Action = Change | EndSession

_action: TypeAdapter[Action] = TypeAdapter(Annotated[Action, Field(discriminator="kind")])


def read(text: str | bytes) -> Action:
    """The action in a JSON text; ActionError if it is not a valid one."""
    try:
        return _action.validate_json(text)
    except ValidationError as error:
        raise ActionError(describe(error)) from error
