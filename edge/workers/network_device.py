"""The device that runs networks: a CPU, or a CUDA GPU."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.models.registry.opening import open_decoded
from edge.models.runtime.detector import Detector
from edge.models.runtime.opening import open_detector
from edge.models.weights import CLASSES
from edge.profile.variant import Variant
from edge.workers.messages import Memory, WarmupBatch, WorkerSetup

_GPU_THREADS = 2  # a GPU's worker only feeds it


class NetworkDevice:
    """A CPU or a CUDA GPU, with every network resident."""

    def __init__(self, setup: WorkerSetup, report: Callable[[str], None]) -> None:
        on_cpu = setup.device == "cpu"
        cores = len(os.sched_getaffinity(0))
        threads = setup.threads or (cores if on_cpu else _GPU_THREADS)
        # Read by PyTorch when it loads, which it does only where it is used.
        os.environ["OMP_NUM_THREADS"] = str(threads)
        self._detectors: dict[str, Detector] = {}
        self._models = setup.models
        for name in setup.networks:
            report(f"loading {name}")
            model, path = setup.models.get(name), setup.weights.get(name)
            if model is not None and (model.onnx is not None or model.torch is not None):
                self._detectors[name] = open_decoded(model, setup.device, setup.precision, threads)
                continue
            self._detectors[name] = open_detector(
                name,
                weights=Path(path) if path else model.weights if model else None,
                cfg=model.cfg if model else None,
                classes=len(model.class_names) if model else CLASSES,
                device=setup.device,
                precision=setup.precision,
                runtime=setup.runtime,
                threads=threads,
                report=report,
            )
        self._on_cpu = on_cpu
        self._device = setup.device
        self.description = self._describe()

    def _describe(self) -> str:
        if not self._on_cpu:
            import torch  # noqa: PLC0415

            return torch.cuda.get_device_name(self._device)
        used = {f"{each.runtime} {each.precision}" for each in self._detectors.values()}
        return f"CPU ({', '.join(sorted(used))})"

    def warm_up(self, warm: WarmupBatch) -> None:
        variant = Variant.parse(warm.variant)
        self._detector(variant).warm_up(variant, warm.picture, warm.batch)

    def detect(self, pictures: Sequence[Picture], variant: str) -> list[list[Box]]:
        parsed = Variant.parse(variant)
        detector, model = self._detector(parsed), self._models.get(parsed.network)
        if model is None:
            return detector.detect(pictures, parsed)
        return detector.detect(
            pictures, parsed, score_threshold=model.score_threshold, nms_iou=model.nms_iou
        )

    def device_ms(self) -> None:
        """None: it has no clock of its own, so the time of the call counts."""

    def memory(self) -> Memory | None:
        """A GPU's memory as all processes use it; of the machine's, the part of this process."""
        if not self._on_cpu:
            import torch  # noqa: PLC0415

            free, total = torch.cuda.mem_get_info(self._device)
            return total - free, total
        page = os.sysconf("SC_PAGE_SIZE")
        resident = int(Path("/proc/self/statm").read_text().split()[1])
        return page * resident, page * os.sysconf("SC_PHYS_PAGES")

    def healthy(self) -> bool:
        if self._on_cpu:
            return True
        import torch  # noqa: PLC0415

        try:
            torch.cuda.synchronize()  # a broken context fails in every call from now on
            torch.cuda.empty_cache()  # the memory that ran out may have been fragmented
        except RuntimeError:
            return False
        return True

    def _detector(self, variant: Variant) -> Detector:
        detector = self._detectors.get(variant.network)
        if detector is None:
            raise ValueError(f"{variant.network} is not loaded")
        return detector
