"""A detector that is a PyTorch module of the operator's own, named by its entry point.

The entry point is called for the module: without arguments, or with the path of `weights` where the
model has them. The module takes images (N, 3, H, W), RGB of 0..1, and gives what a layout's graph
would (`edge.models.registry.output_layouts`), or a dictionary a picture with `boxes`, `labels` and
`scores`, as torchvision's detectors do.

`python -m edge.models.registry.torch_module SERVER_PID ENTRY_POINT FILE [WEIGHTS]` describes it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edge.ipc.parent_watch import die_with_parent
from edge.models.cfg.model_error import ModelError
from edge.models.registry.decoded_detector import DecodedDetector
from edge.models.registry.model import Model
from edge.models.registry.network_input import NetworkInput
from edge.models.registry.output_layouts import LARGE_SIDE, SMALL_SIDE
from edge.models.registry.torch_check import TORCHVISION_KEYS, understand
from edge.models.runtime.number_format import DTYPES
from edge.profile.variant import NumberFormat

_PICTURES = 2  # of which outputs are taken, to see that they come by picture
_ROW_OF_ALL = 7  # columns of the one layout whose rows are of all pictures (YOLOv7's, suppressed)


def open_torch(model: Model, device: str, precision: NumberFormat) -> DecodedDetector:
    """The model's module on a device; ModelError for one that can't be made or run.

    Another format than float32 is PyTorch's automatic mixed precision.
    """
    assert model.torch is not None
    module = build(model.torch, model.weights)
    found = understand(model.torch, describe(model.torch, module), model.layout)
    network = TorchModule(module, device, precision)
    return DecodedDetector(model, network, found.head, NetworkInput(), runtime="torch")


def build(entry_point: str, weights: Path | None) -> nn.Module:
    """The module, ready to infer. ModelError, with the reason, where its code raises.

    It is looked for among the installed packages, then in the working folder.
    """
    module_name, _, path = entry_point.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
        for name in path.split("."):
            found = getattr(found, name)
    except Exception as error:  # whatever the operator's code raises
        raise ModelError(f"torch = {entry_point!r}: {_reason(error)}") from error
    if not callable(found):
        raise ModelError(f"torch = {entry_point!r}: not a function or class that makes a module")
    given = () if weights is None else (weights,)
    try:
        module = found(*given)
    except Exception as error:
        called = f"{path}({'' if weights is None else repr(str(weights))})"
        raise ModelError(f"torch = {entry_point!r}: {called}: {_reason(error)}") from error
    if not isinstance(module, nn.Module):
        kind = type(module).__name__
        raise ModelError(f"torch = {entry_point!r}: gives {kind}, not a torch.nn.Module")
    return module.eval()


class TorchModule:
    """Call it with images; not to be used by several threads at once."""

    def __init__(
        self, module: nn.Module, device: str = "cpu", precision: NumberFormat = "float32"
    ) -> None:
        self.precision = precision
        self._device = torch.device(device)
        self._module = module.to(self._device)

    def __call__(self, *inputs: npt.NDArray[Any]) -> Sequence[Any]:
        """Arrays, in the module's order; of torchvision's kind labels, boxes and scores, each a
        list of a picture's."""
        images = torch.from_numpy(inputs[0]).to(self._device)
        with torch.inference_mode(), self._mixed():
            found = self._module(images)
        if is_torchvision(found):
            return [[_array(each[key]) for each in found] for key in TORCHVISION_KEYS]
        return [_array(each) for each in tensors(found).values()]

    def _mixed(self) -> AbstractContextManager[Any]:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self._device.type, DTYPES[self.precision])


def is_torchvision(found: Any) -> bool:
    """Whether a module's output is a dictionary a picture, with boxes, labels and scores."""
    return (
        isinstance(found, list | tuple)
        and bool(found)
        and all(isinstance(each, Mapping) and set(TORCHVISION_KEYS) <= set(each) for each in found)
    )


def tensors(found: Any) -> dict[str, Tensor]:
    """A module's output as tensors by name; ModelError for one of another kind.

    Of a tuple whose first is a tensor, as YOLO modules give beside their raw maps, the tensors.
    """
    if isinstance(found, Tensor):
        return {"output": found}
    if isinstance(found, Mapping):
        named = {str(key): each for key, each in found.items() if isinstance(each, Tensor)}
    elif isinstance(found, list | tuple):
        named = {f"output {i}": each for i, each in enumerate(found) if isinstance(each, Tensor)}
    else:
        named = {}
    if not named:
        raise ModelError(f"gives {type(found).__name__}, where tensors are needed")
    return named


def describe(entry_point: str, module: nn.Module) -> dict[str, Any]:
    """Run a module on pictures of two sizes: its outputs' shapes; ModelError where it fails."""
    found: dict[str, Any] = {"torchvision": False, "names": _names(module)}
    for size, side in (("small", SMALL_SIDE), ("large", LARGE_SIDE)):
        shape = (_PICTURES, 3, side, side)
        images = torch.rand(shape, generator=torch.Generator().manual_seed(1))
        try:
            with torch.inference_mode():
                given = module(images)
            if is_torchvision(given):
                found["torchvision"] = True
                continue
            outputs = tensors(given)
            for name, each in outputs.items():
                is_of_all = each.ndim == 2 and each.shape[1] == _ROW_OF_ALL
                if not is_of_all and (each.ndim == 0 or each.shape[0] != _PICTURES):
                    raise ModelError(f"{name} is {tuple(each.shape)}, not one of each picture")
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"torch = {entry_point!r}: for images {shape}: {reason[:300]}"
            ) from error
        found[size] = [
            {
                "name": name,
                "integer": not (each.is_floating_point() or each.is_complex()),
                "shape": [1, *each.shape[1:]],
            }
            for name, each in outputs.items()
        ]
    return found


def _names(module: nn.Module) -> list[str] | None:
    """Of an attribute `names`: a list, or a mapping of class indices, as Ultralytics' have."""
    names = getattr(module, "names", None)
    if isinstance(names, Mapping) and set(names) == set(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list | tuple) or not all(isinstance(each, str) for each in names):
        return None
    return list(names) or None


def _array(tensor: Tensor) -> npt.NDArray[Any]:
    if tensor.dtype in (torch.bfloat16, torch.float16):
        tensor = tensor.float()
    array: npt.NDArray[Any] = np.asarray(tensor.cpu().numpy())
    return array


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


def main() -> None:
    die_with_parent(int(sys.argv[1]))
    weights = Path(sys.argv[4]) if len(sys.argv) > 4 else None
    try:
        described = describe(sys.argv[2], build(sys.argv[2], weights))
    except ModelError as error:
        described = {"mistake": str(error)}
    Path(sys.argv[3]).write_text(json.dumps(described))


if __name__ == "__main__":
    main()
