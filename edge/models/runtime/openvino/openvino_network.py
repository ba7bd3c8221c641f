"""A network compiled by OpenVINO: images in, its outputs out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from edge.models.runtime.openvino.openvino_library import OpenVinoError, openvino
from edge.profile.variant import NumberFormat

_HINTS: dict[NumberFormat, str] = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
# Input shapes whose kernels are kept; the least recently used go, and take some ten ms to return.
_SHAPES = 24
_KERNELS = 2  # a convolution and shape: its own, and those of the layers between


class CompiledNetwork:
    """Call it with images; not to be used by several threads at once."""

    def __init__(self, compiled: Any, precision: NumberFormat) -> None:
        self.precision = precision
        self._request = compiled.create_infer_request()
        self._outputs = range(len(compiled.outputs))

    def __call__(self, *inputs: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """The outputs in the network's order; the next call overwrites them.

        `inputs` are the network's, in its order: images for most, and nothing more.

        Raises RuntimeError for a shape that the network doesn't take.
        """
        self._request.infer(list(inputs), share_inputs=True, share_outputs=True)
        return [self._request.get_output_tensor(index).data for index in self._outputs]


def number_formats() -> Sequence[NumberFormat]:
    """The formats that this processor has instructions for; float32 is always one."""
    capabilities = openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("float32", "bfloat16") if "BF16" in capabilities else ("float32",)


def compile_network(
    source: Path | Any, precision: NumberFormat = "float32", threads: int | None = None
) -> CompiledNetwork:
    """A network for the CPU: from a file (.xml of OpenVINO, .onnx), or an `openvino.Model`.

    Sides and batch may be left open in it: kernels for a new shape are made in its first call.
    `threads`: None for all cores of this process. Latency counts, not throughput: each call has all
    threads. Raises OpenVinoError, naming the file, for one that can't be read or compiled.
    """
    library = openvino()
    core = library.Core()
    try:
        model = core.read_model(str(source)) if isinstance(source, Path) else source
        convolutions = sum("Convolution" in op.get_type_name() for op in model.get_ops())
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "NUM_STREAMS": "1",
                "INFERENCE_NUM_THREADS": threads or len(os.sched_getaffinity(0)),
                "INFERENCE_PRECISION_HINT": _HINTS[precision],
                # Threads bound to cores wait for other programs that run there.
                "ENABLE_CPU_PINNING": False,
                "CPU_RUNTIME_CACHE_CAPACITY": str(_SHAPES * _KERNELS * convolutions),
            },
        )
    except RuntimeError as error:
        name = source if isinstance(source, Path) else "the network"
        raise OpenVinoError(f"{name}: {_first_line(error)}") from error
    return CompiledNetwork(compiled, precision)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
