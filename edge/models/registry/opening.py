"""Models that decode their own boxes, loaded on a device: in ONNX, or PyTorch modules."""

from __future__ import annotations

from edge.models.registry.decoded_detector import DecodedDetector
from edge.models.registry.model import Model
from edge.models.registry.onnx_file import read_onnx
from edge.models.runtime.onnx_runtime import OnnxRuntimeNetwork
from edge.models.runtime.openvino.openvino_network import compile_network
from edge.profile.variant import NumberFormat, Precision


def open_decoded(
    model: Model,
    device: str = "cpu",
    precision: Precision = "auto",
    threads: int | None = None,
) -> DecodedDetector:
    """An ONNX model, or a PyTorch module, on a device; ModelError for one that can't be run.

    It computes in float32 unless `precision` names another format: boxes that it decodes itself
    would be pixels off in bfloat16. ONNX on a CPU is OpenVINO's, unless the model names providers;
    else it is ONNX Runtime's, which computes as the graph was exported.
    """
    wanted: NumberFormat = "float32" if precision == "auto" else precision
    if model.torch is not None:
        # Imported here: it takes seconds, and some hundred MB.
        from edge.models.registry.torch_module import open_torch  # noqa: PLC0415

        return open_torch(model, device, wanted)
    assert model.onnx is not None
    file = read_onnx(model.onnx, model.layout)
    if device == "cpu" and not model.providers:
        compiled = compile_network(file.graph, wanted, threads)
        return DecodedDetector(model, compiled, file.head, file.takes, runtime="openvino")
    network = OnnxRuntimeNetwork(model.onnx, device, model.providers, threads)
    return DecodedDetector(model, network, file.head, file.takes, runtime="onnxruntime")
