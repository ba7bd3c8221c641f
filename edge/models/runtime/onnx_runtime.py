"""A network that ONNX Runtime runs: where OpenVINO can't, as on a GPU, or a provider is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from edge.models.cfg.model_error import ModelError
from edge.profile.variant import NumberFormat

_OF_CUDA = ("CUDAExecutionProvider", "TensorrtExecutionProvider")  # which take a `device_id`
_REMEDY = "pip install onnxruntime, or onnxruntime-gpu for CUDA and TensorRT"


def check_providers(path: Path, device: str, providers: Sequence[str]) -> list[str]:
    """The execution providers to try, in this order; ModelError unless they are all installed.

    Without any named: CUDA's on a GPU, and the CPU's elsewhere.
    """
    wanted = list(providers)
    if not wanted:
        wanted = ["CPUExecutionProvider" if device == "cpu" else "CUDAExecutionProvider"]
    installed = _library(path).get_available_providers()
    for name in wanted:
        if name not in installed:
            raise ModelError(
                f"{path}: the execution provider {name} is not among those of the installed ONNX "
                f"Runtime: {', '.join(installed)} ({_REMEDY})"
            )
    return wanted


class OnnxRuntimeNetwork:
    """Call it with images; not to be used by several threads at once.

    `device` is "cpu" or "cuda:N"; ModelError for a graph that ONNX Runtime refuses.
    """

    precision: NumberFormat = "float32"  # of its input; the graph may compute in another

    def __init__(
        self, path: Path, device: str, providers: Sequence[str], threads: int | None = None
    ) -> None:
        library = _library(path)
        options = library.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # its warnings are of its own optimizer
        number = int(device.partition(":")[2] or 0)
        named: list[Any] = [
            (name, {"device_id": number}) if name in _OF_CUDA else name
            for name in check_providers(path, device, providers)
        ]
        try:
            self._session = library.InferenceSession(str(path), options, providers=named)
        except Exception as error:  # of kinds that the library keeps to itself
            raise ModelError(f"{path}: ONNX Runtime refuses it: {_first_line(error)}") from error
        used = self._session.get_providers()
        if used[0] != _name(named[0]):  # it goes on without one whose libraries are missing
            raise ModelError(
                f"{path}: ONNX Runtime could not start {_name(named[0])}, and would use {used[0]}"
            )
        self._inputs = [each.name for each in self._session.get_inputs()]

    def __call__(self, *inputs: npt.NDArray[Any]) -> Sequence[npt.NDArray[Any]]:
        """The outputs, in the graph's order; `inputs` are in the graph's order, too."""
        fed = dict(zip(self._inputs, inputs, strict=True))
        outputs: Sequence[npt.NDArray[Any]] = self._session.run(None, fed)
        return outputs


def _library(path: Path) -> Any:
    try:
        import onnxruntime  # noqa: PLC0415 - an option: only who uses it has it
    except ImportError as error:
        raise ModelError(f"{path}: ONNX Runtime is needed: {error} ({_REMEDY})") from None
    return onnxruntime


def _name(provider: str | tuple[str, dict[str, int]]) -> str:
    return provider if isinstance(provider, str) else provider[0]


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")[:300]
