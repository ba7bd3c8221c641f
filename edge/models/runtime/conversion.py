"""From a PyTorch module to an OpenVINO model with open batch and sides."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn

from edge.models.runtime.openvino.openvino_library import OpenVinoError, openvino
from edge.profile.variant import STRIDE

_EXAMPLE = (1, 3, 4 * STRIDE, 6 * STRIDE)


def convert(module: nn.Module) -> Any:
    """The `openvino.Model` of a module: images (N, 3, H, W) in, the maps of its heads out.

    Raises OpenVinoError for a module that OpenVINO's front end can't read.
    """
    library = openvino()
    # Not by openvino.convert_model, which reports its use to OpenVINO's makers.
    from openvino.frontend import FrontEndManager  # noqa: PLC0415
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder  # noqa: PLC0415

    example = torch.rand(_EXAMPLE, generator=torch.Generator().manual_seed(1))
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracing is called deprecated: its successor is slower
            traced = torch.jit.freeze(torch.jit.trace(module.eval(), example))  # type: ignore[no-untyped-call]
        decoder = TorchScriptPythonDecoder(traced, example_input=example)
        front_end = FrontEndManager().load_by_framework("pytorch")
        model = front_end.convert(front_end.load(decoder))
        model.reshape({0: library.PartialShape([-1, 3, -1, -1])})
    except RuntimeError as error:
        raise OpenVinoError(f"no OpenVINO model of {type(module).__name__}: {error}") from error
    return model
