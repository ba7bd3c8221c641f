"""A model as the settings describe it: a table `[[models]]` (docs/use/models.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from edge.profile.variant import INPUT_LONG_SIDES, NETWORK_NAME, NETWORKS

_ENTRY_POINT = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"
_Name = Annotated[str, Field(pattern=rf"^{NETWORK_NAME}$")]


class ModelSettings(BaseModel):
    """One model to serve; files that it does not name are the built-in network's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: _Name
    cfg: Path | None = None
    weights: Path | None = None
    names: Path | None = None
    onnx: Path | None = None
    torch: Annotated[str, Field(pattern=_ENTRY_POINT)] | None = None
    layout: Literal["yolov5", "yolov8", "end2end", "rtdetr"] | None = None
    providers: list[str] = []
    family: _Name | None = None
    on_demand: bool = False
    input_sizes: list[int] | None = None
    score_threshold: Annotated[float, Field(ge=0.01, le=1)] = 0.25
    nms_iou: Annotated[float, Field(gt=0, le=1)] = 0.45

    @field_validator("input_sizes")
    @classmethod
    def _known_sizes(cls, sizes: list[int] | None) -> list[int] | None:
        if sizes is None:
            return None
        if not sizes or any(size not in INPUT_LONG_SIDES for size in sizes):
            raise ValueError("one or more of 32 to 1280 in steps of 32")
        return sorted(set(sizes))

    @model_validator(mode="after")
    def _one_kind(self) -> ModelSettings:
        needed: dict[str, Path | None]
        if self.onnx is not None:
            if self.cfg is not None or self.weights is not None:
                raise ValueError("onnx goes without cfg and weights")
            if self.torch is not None:
                raise ValueError("onnx goes without torch")
            needed = {}  # `names` may be in the file itself
        elif self.torch is not None:
            if self.cfg is not None:
                raise ValueError("torch goes without cfg")
            needed = {}  # `names` may be an attribute of the module
        elif self.name in NETWORKS and self.cfg is None:
            needed = {}  # the built-in network, with its published weights if no others are given
        else:
            needed = {"cfg": self.cfg, "weights": self.weights, "names": self.names}
        missing = [key for key, value in needed.items() if value is None]
        if len(missing) == 3:
            built_in = " or ".join(NETWORKS)
            raise ValueError(
                f"{self.name}: give cfg, weights and names, or onnx, or torch; or name {built_in}"
            )
        if missing:
            raise ValueError(f"{self.name}: missing key `{missing[0]}`")
        if self.layout is not None and self.onnx is None and self.torch is None:
            raise ValueError(f"{self.name}: layout goes with onnx or torch")
        if self.providers and self.onnx is None:
            raise ValueError(f"{self.name}: providers goes with onnx")
        return self
