"""A network's detector on a device, by the runtime that suits it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge.base.event_log import get_logger
from edge.models.runtime.detector import Detector
from edge.models.runtime.openvino.openvino_detector import OpenVinoDetector
from edge.models.runtime.openvino.openvino_library import OpenVinoError
from edge.models.runtime.openvino.openvino_network import compile_network
from edge.models.runtime.prepared_network import prepared_network
from edge.models.runtime.runtime_choice import choose
from edge.models.weights import CLASSES
from edge.profile.variant import Precision, RuntimeSetting

log = get_logger("edge.models")


def open_detector(
    name: str,
    *,
    weights: Path | None = None,
    cfg: Path | None = None,
    classes: int = CLASSES,
    device: str = "cpu",
    precision: Precision = "auto",
    runtime: RuntimeSetting = "auto",
    threads: int | None = None,
    report: Callable[[str], None] = lambda _text: None,
) -> Detector:
    """The network called `name` with its weights (None: the published ones), loaded on a device.

    `cfg` and `classes` are those of `load_network`.

    A CPU's runtime is the fastest, as measured once; where OpenVINO can't run the network, "auto"
    is PyTorch, and the log has the reason. `threads`: of OpenVINO; PyTorch's are its process's.
    Raises OpenVinoError if `runtime` is "openvino" and it can't, or as `load_network` does.
    """
    if device == "cpu" and runtime != "torch":
        try:
            prepared = prepared_network(name, weights, report, cfg=cfg, classes=classes)
            choice = choose(prepared.times_ms, runtime, precision)
            log.info(
                "runtime_chosen", network=name, runtime=choice.runtime, precision=choice.precision
            )
            if choice.runtime == "openvino":
                network = compile_network(prepared.model, choice.precision, threads)
                return OpenVinoDetector(name, network, prepared.heads)
            precision = choice.precision
        except OpenVinoError as error:
            if runtime == "openvino":
                raise
            log.warning("openvino_not_used", network=name, reason=str(error))
    report(f"loading {name} with PyTorch")
    # Imported here: it takes seconds, and some hundred MB.
    from edge.models.runtime.torch.torch_detector import TorchDetector  # noqa: PLC0415
    from edge.models.weights import load_network  # noqa: PLC0415

    network_module = load_network(name, weights, cfg=cfg, classes=classes)
    return TorchDetector(name, network_module, device=device, precision=precision)
