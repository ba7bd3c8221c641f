"""What an operator can ask of a session: plain data, checked here, once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edge.profile.variant import SENT_LONG_SIDES, Variant
from edge.session.control_messages import SloMs, describe


class ActionError(ValueError):
    """An action that cannot be carried out; the message names the field and the rule."""


def _sent_long_side(long_side: int) -> int:
    if long_side not in SENT_LONG_SIDES:
        raise ValueError(f"one of {', '.join(map(str, SENT_LONG_SIDES))}")
    return long_side


def _variant(name: str) -> str:
    Variant.parse(name)
    return name


class _Action(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class SetSlo(_Action):
    """Another latency objective; its publisher is told."""

    kind: Literal["slo"] = "slo"
    slo_ms: SloMs


class PinVariant(_Action):
    """Serve its frames with this variant and no other; None: as the plan has it."""

    kind: Literal["variant"] = "variant"
    variant: Annotated[str, AfterValidator(_variant)] | None


class PinSize(_Action):
    """Ask for pictures of this longest side, in pixels; None: as the plan has it."""

    kind: Literal["size"] = "size"
    edge: Annotated[int, AfterValidator(_sent_long_side)] | None


class EndSession(_Action):
    """End it; its publisher is told, and does not come back by itself."""

    kind: Literal["end"] = "end"


Change = SetSlo | PinVariant | PinSize
Action = Change | EndSession

_action: TypeAdapter[Action] = TypeAdapter(Annotated[Action, Field(discriminator="kind")])


def read(text: str | bytes) -> Action:
    """The action in a JSON text; ActionError says what is wrong with it."""
    try:
        return _action.validate_json(text)
    except ValidationError as error:
        raise ActionError(describe(error)) from error
