"""The detector that `profiles accuracy` measures, and the one that it is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.assets.store import cached
from edge.config import Settings, load
from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.models.registry.model import Model
from edge.models.registry.model_check import check_model
from edge.models.runtime.detector import Detector
from edge.models.weights import WEIGHTS
from edge.profile.model_settings import ModelSettings
from edge.profile.variant import LONG_SIDES, NumberFormat, Precision, Variant
from profiles.arguments import UsageError

_BUILT_IN_REFERENCE = "yolov4"  # if its weights are in the cache


@dataclass(frozen=True, slots=True)
class Compared:
    """A model, and the one whose boxes count as true; both have the same classes."""

    model: Model
    reference: Model

    @property
    def reference_variant(self) -> Variant:
        """The reference at its largest size."""
        return Variant(self.reference.name, self.reference.long_sides[-1])


class ModelDetector:
    """A model's detector, with the model's own suppression."""

    def __init__(self, model: Model, detector: Detector) -> None:
        self._model, self._detector = model, detector

    @property
    def precision(self) -> NumberFormat:
        return self._detector.precision

    def detect(
        self, pictures: Sequence[Picture], variant: Variant, *, score_threshold: float
    ) -> list[list[Box]]:
        """Each picture's boxes, best first."""
        return self._detector.detect(
            pictures, variant, score_threshold=score_threshold, nms_iou=self._model.nms_iou
        )


def built_in(network: str) -> Compared:
    """A network with its published weights, against YOLOv4 if that is at hand, else itself."""
    known = cached(WEIGHTS[_BUILT_IN_REFERENCE]) is not None
    reference = _BUILT_IN_REFERENCE if known else network
    return Compared(*(_checked(ModelSettings(name=name)) for name in (network, reference)))


def of_settings(file: Path | None, name: str, reference: str | None) -> Compared:
    """A model of the settings, against `reference`, by default the largest of its family.

    Raises UsageError, naming the flag, for a name that the settings don't have and for a reference
    of other classes; ConfigError and ModelError as `load` and `check_model` do.
    """
    settings = load(file)
    model = _named(settings, name, "--model")
    if reference is not None:
        other = _named(settings, reference, "--reference")
    else:
        family = [_checked(each, settings) for each in settings.served_models]
        other = max((each for each in family if each.family == model.family), key=_bytes)
    if other.class_names != model.class_names:
        raise UsageError(f"--reference: {other.name} has other classes than {model.name}")
    return Compared(model, other)


def open_model(model: Model, device: str, precision: Precision) -> ModelDetector:
    """The model, loaded on a device; raises as the detectors do."""
    from edge.models.registry.opening import open_decoded  # noqa: PLC0415  # loads OpenVINO
    from edge.models.runtime.opening import open_detector  # noqa: PLC0415  # may load torch

    if model.onnx is not None or model.torch is not None:
        return ModelDetector(model, open_decoded(model, device, precision))
    detector = open_detector(
        model.name,
        weights=model.weights,
        cfg=model.cfg,
        classes=len(model.class_names),
        device=device,
        precision=precision,
    )
    return ModelDetector(model, detector)


def _named(settings: Settings, name: str, flag: str) -> Model:
    models = {each.name: each for each in settings.served_models}
    if name not in models:
        raise UsageError(f"{flag}: {name} is not a model of the settings: {', '.join(models)}")
    return _checked(models[name], settings)


def _checked(model: ModelSettings, settings: Settings | None = None) -> Model:
    return check_model(model, settings.edges if settings else LONG_SIDES)


def _bytes(model: Model) -> int:
    """The size of its weights: of models of one kind, a larger one sees more."""
    path = model.onnx or model.weights
    if path is None and model.torch is not None:
        return 0  # its code alone is known
    return WEIGHTS[model.name].size if path is None else path.stat().st_size
