"""The layers of a network that run in int8, and their values' ranges: a file for each network."""

from __future__ import annotations

import math
from pathlib import Path

import pydantic

from edge.models.convolution import Convolution
from edge.models.quantized import QuantizedConvolution, Range
from edge.models.yolov4 import Network

_FOLDER = Path(__file__).parent
_SAME_NORM = 1e-3


class RangesError(ValueError):
    """A file of ranges that can't be used; the message names it."""


class Int8Layer(pydantic.BaseModel):
    """An int8 convolution: its input's range, where int8 begins, and its output's, unless it ends.

    `norm` is the root of the sum of its squared weights, by which other weights are recognised.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    norm: float
    given: tuple[float, float] | None = None
    made: tuple[float, float] | None = None

    @pydantic.field_validator("given", "made")
    @classmethod
    def _ordered(cls, ends: tuple[float, float] | None) -> tuple[float, float] | None:
        if ends and not ends[0] <= 0.0 < ends[1]:
            raise ValueError("a range is [low, high] with low <= 0 < high")
        return ends


class Int8Ranges(pydantic.BaseModel):
    """A network's layers in int8, by name; the others stay in float32."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    made_by: str
    layers: dict[str, Int8Layer]

    def fit(self, network: Network) -> bool:
        """Whether they were made for this network with its weights."""
        modules = dict(network.named_modules())
        return all(
            isinstance(convolution := modules.get(name), Convolution)
            and math.isclose(weight_norm(convolution), layer.norm, rel_tol=_SAME_NORM)
            for name, layer in self.layers.items()
        )


def path_of(network_name: str) -> Path:
    """The file of a network's ranges, if it has any."""
    return _FOLDER / f"{network_name}.int8.json"


def load(path: Path) -> Int8Ranges | None:
    """The ranges in a file; None if there is no file. RangesError for an unusable one."""
    try:
        return Int8Ranges.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise RangesError(f"{path}: {field}: {first['msg']}") from error


def weight_norm(convolution: Convolution) -> float:
    """The root of the sum of a convolution's squared weights."""
    return float(convolution.weight.double().norm())


def quantize(network: Network, ranges: Int8Ranges) -> None:
    """Put the layers that `ranges` names into int8, in place."""
    for name, layer in ranges.layers.items():
        parent, _, attribute = name.rpartition(".")
        convolution = network.get_submodule(name)
        assert isinstance(convolution, Convolution)  # as fit() checks
        given, made = (Range(*ends) if ends else None for ends in (layer.given, layer.made))
        quantized = QuantizedConvolution(convolution, given, made)
        setattr(network.get_submodule(parent), attribute, quantized)
